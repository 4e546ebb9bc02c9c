// Where each log stands, in memory: an append must know the next offset without asking the disk. Filled by the committer
// alone, between two batches, so that what is here is never older than the disk. Bounded; a log of the running batch stays.

import { NitkaError } from '@nitka/protocol'
import type { LogName, LogState } from '../../log/log-store.ts'
import { key, logBytes, ordered, spaces } from './keys.ts'
import { Parts, unseal } from './values.ts'
import type { Writer } from './writer.ts'

/** One log: its keys, where it stands, and where it will stand when the running batch is on disk. */
export class LogHead {
  readonly bytes: Buffer
  readonly key: Buffer
  readonly entryPrefix: Buffer
  readonly name: LogName
  /** As committed. Undefined until loaded. */
  state: LogState | undefined
  /** Why the log cannot be used. */
  damage: string | undefined
  first = 1
  head = 0
  headId = ''
  counted = 0
  /** Whether the running batch changes it. */
  changed = false
  /** Whether it was used since eviction last looked at it. */
  recent = true

  constructor(name: LogName) {
    this.name = { kind: name.kind, id: name.id }
    this.bytes = logBytes(name)
    this.key = key(spaces.log, this.bytes)
    this.entryPrefix = key(spaces.entry, this.bytes)
  }

  /** Takes what the disk holds: the sealed record, and whether an entry stands above its head. */
  load(value: Buffer | undefined, epoch: string): void {
    const state = readState(this.key, value, epoch)
    if (state === undefined) {
      this.damage = 'its state record is damaged'
      return
    }
    this.state = state
    this.first = state.first
    this.head = state.head
    this.headId = state.headId
    this.counted = state.counted
  }

  /** The key under which the next entry will stand: a store that holds one already has lost the log's state. */
  get nextKey(): Buffer {
    return this.entryKey(this.head + 1)
  }

  entryKey(offset: number): Buffer {
    return key(this.entryPrefix, ordered(offset))
  }

  /** @throws NitkaError `damaged` */
  check(): void {
    if (this.damage !== undefined) throw damagedLog(this.name, this.damage)
  }

  /** Appends the record of the planned state. */
  write(writer: Writer): void {
    writer.number(this.first)
    writer.number(this.head)
    writer.number(this.counted)
    writer.name(this.headId)
  }

  /** The planned state is on disk. */
  committed(epoch: string): void {
    this.changed = false
    this.state = { epoch, first: this.first, head: this.head, headId: this.headId, counted: this.counted }
  }
}

export function damagedLog(log: LogName, why: string): NitkaError {
  return new NitkaError('damaged', `the log ${log.kind} ${log.id} is damaged: ${why}`)
}

/** The state in a sealed record, that of an empty log without one, undefined when it is damaged. */
export function readState(at: Buffer, value: Buffer | undefined, epoch: string): LogState | undefined {
  if (value === undefined) return { epoch, first: 1, head: 0, headId: '', counted: 0 }
  const body = unseal(at, value)
  if (body === undefined) return undefined
  const parts = new Parts(body)
  const first = parts.number()
  const head = parts.number()
  const counted = parts.number()
  return { epoch, first, head, counted, headId: parts.name() }
}

/** The heads in memory, `max` of them, least recently used ones leaving first (second chance). */
export class LogHeads {
  readonly #max: number
  readonly #heads = {
    room: new Map<string, LogHead>(),
    user: new Map<string, LogHead>(),
    hook: new Map<string, LogHead>(),
  } as const satisfies Record<LogName['kind'], Map<string, LogHead>>

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    const { room, user, hook } = this.#heads
    return room.size + user.size + hook.size
  }

  /** Runs once per entry appended. */
  get(name: LogName): LogHead | undefined {
    const head = this.#heads[name.kind].get(name.id)
    if (head !== undefined) head.recent = true
    return head
  }

  add(head: LogHead): void {
    this.#heads[head.name.kind].set(head.name.id, head)
  }

  drop(head: LogHead): void {
    this.#heads[head.name.kind].delete(head.name.id)
  }

  /** Between two batches only: what a batch uses must stay. */
  evict(): void {
    let over = this.size - this.#max
    if (over <= 0) return
    const { room, user } = this.#heads
    const larger = room.size > user.size ? room : user
    for (const [id, head] of larger) {
      if (over <= 0) return
      larger.delete(id)
      if (head.recent && larger.size > 0) {
        head.recent = false
        larger.set(id, head)
      } else over -= 1
    }
  }
}

// One batch while it is planned: what was read for it, what it will write. Operations planned later see what earlier ones
// of the same batch decided, because they share the slots and heads.

import { NitkaError } from '@nitka/protocol'
import type { LogName } from '../../log/log-store.ts'
import type { Disk, Write } from './disk.ts'
import { key, ordered, spaces } from './keys.ts'
import { LogHead, type LogHeads } from './log-heads.ts'
import { seal, unseal } from './values.ts'
import { Writer } from './writer.ts'

/** One small record of the batch, as it will be. */
export class Slot {
  readonly key: Buffer
  /** The operation that means to write it, and which of its parts: a note of `plan`. */
  claim: { readonly by: object; readonly part: number } | undefined
  #body: Buffer | undefined
  #damaged = false

  constructor(key: Buffer) {
    this.key = key
  }

  /** @throws NitkaError `damaged` */
  get body(): Buffer | undefined {
    if (this.#damaged) throw new NitkaError('damaged', 'a record of the store failed its checksum')
    return this.#body
  }

  get damaged(): boolean {
    return this.#damaged
  }

  load(value: Buffer | undefined): void {
    this.#body = value === undefined ? undefined : unseal(this.key, value)
    this.#damaged = value !== undefined && this.#body === undefined
  }

  set(body: Buffer | undefined): void {
    this.#body = body
    this.#damaged = false
  }
}

/** Something that a store call wants of the batch. */
export interface Operation<Result> {
  /** About how much it will write: for the bound of the queue. */
  readonly bytes: number
  /** Goes on when the disk is almost full: it is small, or frees space. */
  readonly essential: boolean
  /** Asks for all that `plan` will read. May throw a refusal. */
  ask(draft: Draft): void
  /** Decides and writes. A refusal must be thrown before the first write. */
  plan(draft: Draft): Result
}

export class Draft {
  readonly heads: LogHeads
  readonly writer = new Writer()
  writes: Write[] = []
  readonly #epoch: string
  readonly #slots = new Map<string, Slot>()
  #loadedSlots: Slot[] = []
  #newHeads: LogHead[] = []
  #changed: LogHead[] = []
  #expiring: Pick<Slot, 'key'>[] = []
  #expiringFrom = 0
  #reads: ((disk: Disk) => Promise<void>)[] = []
  #ends: (() => void)[] = []

  constructor(heads: LogHeads, epoch: string) {
    this.heads = heads
    this.#epoch = epoch
  }

  /** The log, loaded by the time of `plan`. Asks once, however many operations want it. */
  log(name: LogName): LogHead {
    const known = this.heads.get(name)
    if (known !== undefined) return known
    const head = new LogHead(name)
    this.heads.add(head)
    this.#newHeads.push(head)
    return head
  }

  /** The record under `key`, loaded by the time of `plan`. */
  slot(key: Buffer): Slot {
    const name = key.toString('latin1')
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    const slot = new Slot(key)
    this.#slots.set(name, slot)
    this.#loadedSlots.push(slot)
    return slot
  }

  /** Has `task` read by the time of `plan` what keys alone cannot name. All earlier batches are on disk then. */
  read(task: (disk: Disk) => Promise<void>): void {
    this.#reads.push(task)
  }

  /** Runs `task` when all is planned, written or not: for what many operations of the batch change. */
  atEnd(task: () => void): void {
    this.#ends.push(task)
  }

  /** Reads all that was asked for: one round for what is not in memory, one more for logs seen for the first time. */
  async load(disk: Disk): Promise<void> {
    for (const read of this.#reads) await read(disk)
    const slots = this.#loadedSlots
    const heads = this.#newHeads
    if (slots.length + heads.length === 0) return
    const values = await disk.getMany([...slots.map((slot) => slot.key), ...heads.map((head) => head.key)])
    for (const [i, slot] of slots.entries()) slot.load(values[i])
    for (const [i, head] of heads.entries()) head.load(values[slots.length + i], this.#epoch)
    if (heads.length === 0) return
    const next = await disk.getMany(heads.map((head) => head.nextKey))
    for (const [i, head] of heads.entries()) {
      if (next[i] !== undefined) head.damage ??= 'it holds entries that its state does not know'
    }
  }

  put(slot: Slot, body: Buffer): void {
    slot.set(body)
    this.writes.push({ type: 'put', key: slot.key, value: seal(slot.key, body) })
  }

  delete(slot: Slot): void {
    slot.set(undefined)
    this.writes.push({ type: 'del', key: slot.key })
  }

  /** Writes without reading. */
  putKey(key: Buffer, body: Buffer): void {
    this.writes.push({ type: 'put', key, value: seal(key, body) })
  }

  deleteKey(key: Buffer): void {
    this.writes.push({ type: 'del', key })
  }

  /** The log's planned state is to be written. */
  change(head: LogHead): void {
    if (head.changed) return
    head.changed = true
    this.#changed.push(head)
  }

  /** The record is to be forgotten a window after `stored`. */
  expire(slot: Pick<Slot, 'key'>, stored: number): void {
    this.#expiring.push(slot)
    this.#expiringFrom = Math.max(this.#expiringFrom, stored)
  }

  /** Everything is planned. */
  end(): void {
    for (const end of this.#ends) end()
  }

  /** Adds the records of the logs that changed, and one list of what expires: one record for each would cost a third more. */
  finish(batch: number): void {
    if (this.#expiring.length > 0) {
      const at = key(spaces.expiry, ordered(this.#expiringFrom), ordered(batch))
      this.putKey(at, writeExpiring(this.#expiring))
    }
    for (const head of this.#changed) {
      this.writer.room(head.key.length + 300)
      this.writer.bytes(head.key)
      this.writer.beginValue()
      head.write(this.writer)
      this.writes.push(this.writer.endRecord())
    }
  }

  /** How many records that were read had failed their checksum. */
  get damaged(): number {
    const failed = (count: number, part: { readonly damaged?: boolean; readonly damage?: string | undefined }) =>
      count + (part.damaged === true || part.damage !== undefined ? 1 : 0)
    return this.#newHeads.reduce(failed, this.#loadedSlots.reduce(failed, 0))
  }

  /** Everything is on disk: the heads become what the next readers see. */
  committed(): void {
    for (const head of this.#changed) head.committed(this.#epoch)
  }

  /** Ready for the next batch. */
  reset(): void {
    for (const head of this.#newHeads) if (head.damage !== undefined || head.state === undefined) this.heads.drop(head)
    this.writes = []
    this.#slots.clear()
    this.#loadedSlots = []
    this.#newHeads = []
    this.#changed = []
    this.#expiring = []
    this.#expiringFrom = 0
    this.#reads = []
    this.#ends = []
    this.writer.reset()
    this.heads.evict()
  }
}

function writeExpiring(slots: readonly Pick<Slot, 'key'>[]): Buffer {
  return Buffer.concat(
    slots.flatMap((slot) => {
      const length = Buffer.allocUnsafe(2)
      length.writeUInt16BE(slot.key.length)
      return [length, slot.key]
    }),
  )
}

/** The keys in a list of what expires. */
export function readExpiring(body: Buffer): Buffer[] {
  const keys: Buffer[] = []
  for (let at = 0; at < body.length; ) {
    const end = at + 2 + body.readUInt16BE(at)
    keys.push(body.subarray(at + 2, end))
    at = end
  }
  return keys
}

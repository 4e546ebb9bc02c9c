// Planning an add: keys, places, records. All tasks of one call or none.

import type { Added, NewTask } from '../../tasks/task-store.ts'
import { checkTask, otherPayload, payloadHash } from '../task-checks.ts'
import { readRemembered } from './append.ts'
import type { Draft, Operation, Slot } from './draft.ts'
import { spaces } from './keys.ts'
import type { TaskBook } from './task-book.ts'
import { taskBytesMax, writeTask } from './task-codec.ts'
import { onceBody, onceKey, rankOf, type StoredTask, slim } from './task-records.ts'

export class AddOperation implements Operation<readonly Added[]> {
  readonly bytes: number
  readonly essential = false
  readonly #book: TaskBook
  readonly #tasks: readonly NewTask[]
  readonly #dedupeWindowMs: number
  #slots: readonly (Slot | undefined)[] = []
  #hashes: readonly (Buffer | undefined)[] = []
  #answers: readonly Added[] = []

  /** @throws NitkaError `invalid` */
  constructor(book: TaskBook, tasks: readonly NewTask[], dedupeWindowMs: number) {
    this.#book = book
    this.#tasks = tasks
    this.#dedupeWindowMs = dedupeWindowMs
    let bytes = 0
    for (const task of tasks) {
      checkTask(task)
      bytes += task.payload.length + 500
    }
    this.bytes = bytes
  }

  ask(draft: Draft): void {
    this.#slots = this.#tasks.map(({ queue, key }) => (key === undefined ? undefined : draft.slot(onceKey(queue, key))))
  }

  plan(draft: Draft): readonly Added[] {
    this.decide()
    return this.write(draft)
  }

  /** The half of planning that refuses, and writes nothing. */
  decide(): void {
    this.#hashes = this.#tasks.map(({ payload }, i) =>
      this.#slots[i] === undefined ? undefined : payloadHash(payload),
    )
    this.#answers = this.#tasks.map((task, i) => this.#earlier(task, i))
    this.#demandRoom(this.#answers)
  }

  /** The half that writes, and refuses nothing. */
  write(draft: Draft): readonly Added[] {
    this.#book.begin(draft)
    for (const [i, task] of this.#tasks.entries()) {
      if (this.#answers[i]?.repeated === false) this.#store(draft, task, this.#slots[i], this.#hashes[i])
    }
    return this.#answers
  }

  /** What the key says: a task of the past, one of this call, or a new one. @throws NitkaError `conflict` */
  #earlier(task: NewTask, part: number): Added {
    const hashes = this.#hashes
    const slot = this.#slots[part]
    const fresh = { id: task.id, repeated: false }
    if (slot === undefined) return fresh
    const known = slot.body === undefined ? undefined : readRemembered(slot.body)
    if (known !== undefined && this.#book.tools.now() - known.stored < this.#dedupeWindowMs) {
      if (hashes[part]?.equals(known.hash) !== true) throw otherPayload(task)
      return { id: known.appended.id, repeated: true }
    }
    const { claim } = slot
    if (claim?.by === this) {
      if (hashes[claim.part]?.equals(hashes[part] ?? Buffer.alloc(0)) !== true) throw otherPayload(task)
      return { id: this.#tasks[claim.part]?.id ?? task.id, repeated: true }
    }
    slot.claim = { by: this, part }
    return fresh
  }

  #demandRoom(answers: readonly Added[]): void {
    const wanted = new Map<string, { count: number; readonly groups: Set<string> }>()
    for (const [i, { queue, group }] of this.#tasks.entries()) {
      if (answers[i]?.repeated === true) continue
      const want = wanted.get(queue) ?? { count: 0, groups: new Set() }
      want.count += 1
      want.groups.add(group ?? '')
      wanted.set(queue, want)
    }
    this.#book.demandQueues([...wanted.keys()])
    for (const [queue, { count, groups }] of wanted) this.#book.demandRoom(queue, count, groups)
  }

  /** Runs once per task added. */
  #store(draft: Draft, task: NewTask, slot: Slot | undefined, payload: Buffer | undefined): void {
    const book = this.#book
    const queue = book.queue(task.queue)
    queue.seq += 1
    const stored = {
      ...{ task, seq: queue.seq, rank: rankOf(task.priority) },
      ...{ size: Buffer.byteLength(task.payload), bare: false },
    }
    putTask(draft, stored)
    if (slot !== undefined && payload !== undefined) {
      const now = book.tools.now()
      draft.put(slot, onceBody(draft.writer, { stored: now, hash: payload, time: task.time, id: task.id }))
      draft.expire(slot, now)
    }
    const held = { stored: slim(stored), status: undefined }
    if (task.delayMs === 0) return book.putReady(draft, held)
    const until = book.tools.now() + task.delayMs
    const status = { state: 'delayed', rank: stored.rank, until, attempt: 0, failures: 0, history: [] } as const
    book.putDelayed(draft, book.putStatus(draft, held, status))
  }
}

/** Writes the record of a task. */
export function putTask(draft: Draft, stored: StoredTask): void {
  const { writer } = draft
  writer.room(taskBytesMax(stored.task))
  writer.bytes(spaces.task)
  writer.text(stored.task.id)
  writer.beginValue()
  writeTask(writer, stored)
  draft.writes.push(writer.endRecord())
}

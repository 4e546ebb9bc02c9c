// Planning a claim: which tasks, in which turn, leased from now on. One record for the whole batch of leases.

import { tokenOf } from '../../tasks/rules.ts'
import { claimBytesMax } from '../../tasks/task-store.ts'
import type { EngineCounters } from '../engine.ts'
import type { Draft, Operation } from './draft.ts'
import { deleteRow, type TaskBook } from './task-book.ts'
import type { Claim, LiveLease } from './task-leases.ts'
import { claimKey, jsonBody } from './task-records.ts'

export class ClaimOperation implements Operation<readonly LiveLease[]> {
  readonly bytes = 300
  readonly essential = true
  readonly #book: TaskBook
  readonly #queue: string
  readonly #worker: string
  readonly #limit: number
  readonly #counters: EngineCounters

  constructor(book: TaskBook, call: { queue: string; worker: string; limit: number }, counters: EngineCounters) {
    this.#book = book
    this.#queue = call.queue
    this.#worker = call.worker
    this.#limit = call.limit
    this.#counters = counters
  }

  ask(draft: Draft): void {
    const queue = this.#book.queues.get(this.#queue)
    if (queue === undefined || queue.paused) return
    for (const line of queue.wanting(draft, this.#limit)) draft.read((disk) => line.read(disk, this.#counters))
  }

  plan(draft: Draft): readonly LiveLease[] {
    const book = this.#book
    const queue = book.queues.get(this.#queue)
    if (queue === undefined || queue.paused) return []
    const started = book.tools.now()
    const now = book.tools.monotonic()
    const claim: Claim = { number: book.claims + 1, worker: this.#worker, live: 0 }
    const leases: LiveLease[] = []
    let size = 0
    while (leases.length < this.#limit) {
      const taken = queue.take(leases.length === 0 ? Number.POSITIVE_INFINITY : claimBytesMax - size)
      if (taken === undefined) break
      const { lane, placed } = taken
      const { held } = placed
      const { task } = held.stored
      size += held.stored.size
      const attempt = (held.status?.attempt ?? 0) + 1
      leases.push({
        ...{ id: task.id, queue, lane, held, claim, attempt, started },
        token: tokenOf(attempt, claim.number),
        deadline: started + task.leaseMs,
        ends: now + task.leaseMs,
        leaseMs: task.leaseMs,
        kept: false,
        progress: held.status?.progress,
        notes: [],
      })
      deleteRow(draft, lane.ready, placed)
      queue.changeLane(draft, lane)
    }
    // Others took what was in memory, or the bytes are full: whoever asks again gets more.
    if (leases.length < this.#limit && queue.claimable) {
      book.begin(draft)
      book.wake(queue)
    }
    if (leases.length === 0) return leases
    book.claims = claim.number
    claim.live = leases.length
    book.leases.add(leases)
    const list = leases.map(({ id, attempt }) => [id, attempt] as const)
    const record = { worker: this.#worker, started, begun: started, restarts: 0, leases: list }
    draft.putKey(claimKey(claim.number), jsonBody(record))
    queue.change(draft)
    return leases
  }
}

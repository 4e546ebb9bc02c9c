// Planning what people do by hand: dead letters tried again or dropped, queues emptied and configured; and what a worker
// says about a lease that it goes on with.

import type { QueueSettings } from '../../tasks/task-store.ts'
import type { EngineCounters } from '../engine.ts'
import type { Draft, Operation } from './draft.ts'
import type { TaskBook } from './task-book.ts'
import type { LiveLease } from './task-leases.ts'
import type { Line } from './task-line.ts'
import type { Held } from './task-records.ts'
import { keep } from './task-settle.ts'

/** Tries dead letters again, or drops them. Gives how many; those that are none any more are passed over. */
export class DeadOperation implements Operation<number> {
  readonly bytes: number
  readonly essential: boolean
  readonly #book: TaskBook
  readonly #ids: readonly string[]
  readonly #what: 'retry' | 'drop'

  constructor(book: TaskBook, ids: readonly string[], what: 'retry' | 'drop') {
    this.#book = book
    this.#ids = ids
    this.#what = what
    this.bytes = ids.length * 400
    this.essential = what === 'drop'
  }

  ask(draft: Draft): void {
    for (const id of this.#ids) this.#book.ask(draft, id)
  }

  plan(draft: Draft): number {
    const book = this.#book
    for (const id of this.#ids) book.find(draft, id) // A damaged record refuses before anything is written.
    book.begin(draft)
    let count = 0
    for (const id of this.#ids) {
      const where = book.find(draft, id)
      if (where === undefined || !('held' in where) || where.held.status?.state !== 'dead') continue
      const { held } = where
      book.takeOut(draft, held)
      if (this.#what === 'drop') book.remove(draft, held)
      else book.putReady(draft, book.putStatus(draft, held, freshStatus(held)))
      count += 1
    }
    return count
  }
}

/** Attempts begin anew; what was before stays in the history, and numbers go on. */
function freshStatus({ stored, status }: Held): NonNullable<Held['status']> {
  const { attempt = 0, history = [], token } = status ?? {}
  return {
    ...{ state: 'ready', rank: stored.rank, attempt, failures: 0, history },
    ...(token === undefined ? undefined : { token }),
  }
}

/** Removes waiting tasks of a queue. */
export class PurgeOperation implements Operation<number> {
  readonly bytes = 4_096
  readonly essential = true
  readonly #book: TaskBook
  readonly #queue: string
  readonly #limit: number
  readonly #counters: EngineCounters

  constructor(book: TaskBook, call: { queue: string; limit: number }, counters: EngineCounters) {
    this.#book = book
    this.#queue = call.queue
    this.#limit = call.limit
    this.#counters = counters
  }

  ask(draft: Draft): void {
    let left = this.#limit
    for (const line of this.#lines()) {
      if (line.want(left)) draft.read((disk) => line.read(disk, this.#counters))
      left -= line.count
      if (left <= 0) return
    }
  }

  plan(draft: Draft): number {
    const book = this.#book
    book.begin(draft)
    let count = 0
    for (const line of this.#lines()) {
      for (let { first } = line; first !== undefined; first = line.first) {
        if (count === this.#limit) return count
        book.takeOut(draft, first.held)
        book.remove(draft, first.held)
        count += 1
      }
    }
    return count
  }

  *#lines(): Generator<Line> {
    const queue = this.#book.queues.get(this.#queue)
    if (queue === undefined) return
    for (const lane of queue.lanes.values()) if (lane.ready.count > 0) yield lane.ready
    if (queue.delayed.count > 0) yield queue.delayed
  }
}

export class ConfigureOperation implements Operation<QueueSettings> {
  readonly bytes = 400
  readonly essential = true
  readonly #book: TaskBook
  readonly #queue: string
  readonly #settings: Partial<QueueSettings>

  constructor(book: TaskBook, queue: string, settings: Partial<QueueSettings>) {
    this.#book = book
    this.#queue = queue
    this.#settings = settings
  }

  ask(): void {
    // Queues are in memory.
  }

  plan(draft: Draft): QueueSettings {
    const book = this.#book
    book.demandQueues([this.#queue])
    book.begin(draft)
    const queue = book.queue(this.#queue)
    Object.assign(queue, this.#settings)
    queue.change(draft)
    if (queue.enterAll()) book.wake(queue)
    return queue.settings
  }
}

/** A longer lease, or the worker's word. Undefined: the token is not current, or the lease has ended. */
export class LeaseOperation implements Operation<LiveLease | undefined> {
  readonly bytes: number
  readonly essential = true
  readonly #book: TaskBook
  readonly #id: string
  readonly #token: string
  readonly #change: { readonly leaseMs?: number; readonly progress?: string }

  constructor(book: TaskBook, id: string, token: string, change: { leaseMs?: number; progress?: string }) {
    this.#book = book
    this.#id = id
    this.#token = token
    this.#change = change
    this.bytes = 300 + (change.progress?.length ?? 0)
  }

  ask(): void {
    // Leases are in memory.
  }

  plan(draft: Draft): LiveLease | undefined {
    const { leases, tools } = this.#book
    const lease = leases.get(this.#id)
    const now = tools.monotonic()
    if (lease === undefined || lease.token !== this.#token || lease.ends <= now) return undefined
    const { leaseMs, progress } = this.#change
    if (leaseMs !== undefined) {
      lease.leaseMs = leaseMs
      lease.deadline = tools.now() + leaseMs
      leases.extend(lease, now + leaseMs)
    }
    if (progress !== undefined) lease.progress = progress
    keep(draft, lease)
    return lease
  }
}

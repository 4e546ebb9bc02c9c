// Group commit: what is asked for while a batch is on its way joins the next one. One loop: take what waits, in order;
// read what it needs; plan it, in order; one atomic batch, synced; then tell the callers. Everything that changes the
// store goes through here, so that planning never races with another writer.

import { NitkaError } from '@nitka/protocol'
import type { Clock, Timer } from '../../world.ts'
import { type Backlog, lateMs, slowMs, tooLate, tooMuch } from '../backlog.ts'
import type { EngineCounters } from '../engine.ts'
import { link } from './chain.ts'
import type { Disk } from './disk.ts'
import type { Draft, Operation } from './draft.ts'
import type { Health } from './health.ts'
import type { Space } from './space.ts'

/** What one batch takes. */
const batchBytesMax = 8 * 1024 * 1024
const batchOperationsMax = 4_096

const watchMs = 1_000

interface Waiting {
  readonly operation: Operation<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
  /** What planning it gave. */
  result: unknown
}

export interface CommitterParts {
  readonly disk: Disk
  readonly draft: Draft
  readonly health: Health
  readonly space: Space
  readonly clock: Clock
  readonly counters: EngineCounters
  readonly backlog: Backlog
  readonly sync: boolean
  /** The number of the last batch on disk. */
  readonly last: number
  /** Told the number of each batch that is on disk, before its callers are. */
  readonly mark: (batch: number) => void
}

export class Committer {
  /** Told the duration of each commit in milliseconds. */
  onCommit: ((ms: number) => void) | undefined
  readonly #parts: CommitterParts
  #queue: Waiting[] = []
  /** How many of the queue's front are taken already. */
  #taken = 0
  #number: number
  #running: Promise<void> | undefined
  /** Batches begun since the start. */
  #batch = 0
  /** When the one under way was begun, monotonic. */
  #begunAt: number | undefined
  /** The batch under way takes too long: nobody waits behind it any more. */
  #late = false
  #watching: Timer | undefined

  constructor(parts: CommitterParts) {
    this.#parts = parts
    this.#number = parts.last
  }

  /**
   * Queues the operation. Resolves with what its plan gave once the batch is on disk.
   * @throws NitkaError what the plan refused; `overloaded` too much waits, or for too long; `unavailable` disk almost full, storage failed
   */
  submit<Result>(operation: Operation<Result>): Promise<Result> {
    const { health, space } = this.#parts
    if (health.reason !== undefined) return Promise.reject(health.refusal())
    if (space.low !== undefined && !space.due && !operation.essential) return Promise.reject(space.refusal())
    if (this.#late && !operation.essential) return Promise.reject(tooLate())
    if (!this.#parts.backlog.admits(operation.bytes, operation.essential)) return Promise.reject(tooMuch())
    this.#count(1, operation)
    this.#noticeSlow()
    return new Promise<Result>((resolve, reject) => {
      // The result is what the operation's own plan gives: the queue alone does not know its type.
      this.#queue.push({ operation, resolve: resolve as (result: unknown) => void, reject, result: undefined })
      this.#running ??= this.#run()
    })
  }

  /** Why it takes no writes, as far as it knows. */
  get trouble(): string | undefined {
    return this.#late ? `the disk has been writing for more than ${lateMs / 1_000} s` : undefined
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    await undefined // What the caller submits in the same turn shares the first batch.
    while (this.#queue.length > this.#taken) {
      const batch = this.#take()
      this.#begin()
      try {
        await this.#commit(batch)
      } catch (thrown) {
        this.#fail(thrown, batch)
      }
      this.#end()
      for (const waiting of batch) this.#count(-1, waiting.operation)
    }
    this.#running = undefined
  }

  #begin(): void {
    this.#batch += 1
    this.#begunAt = this.#parts.clock.monotonic()
    this.#watch(lateMs)
  }

  /** Counts seconds in which this process ran: while it stood still itself, the disk was not late. */
  #watch(leftMs: number): void {
    this.#watching = this.#parts.clock.after(Math.min(leftMs, watchMs), async () => {
      if (leftMs > watchMs) {
        const batch = this.#batch
        await undefined
        if (this.#begunAt !== undefined && this.#batch === batch) this.#watch(leftMs - watchMs)
        return
      }
      this.#late = true
      // Also when they were for what waited, which is refused now: until this write ends.
      this.#parts.backlog.slow(true)
      // Confirmations, reports and what the server does by itself go on where it waited: they are small, and counted on.
      this.#empty(tooLate(), ({ operation }) => operation.essential)
    })
  }

  #end(): void {
    this.#watching?.cancel()
    this.#begunAt = undefined
    this.#late = false
    this.#parts.backlog.slow(false)
  }

  /** Looked at by whoever comes: without them nobody is to be held back. */
  #noticeSlow(): void {
    const { backlog, clock } = this.#parts
    if (this.#begunAt === undefined || backlog.crowded) return
    if (clock.monotonic() - this.#begunAt >= slowMs) backlog.slow(true)
  }

  #count(by: 1 | -1, { bytes }: Operation<unknown>): void {
    const { backlog, counters } = this.#parts
    if (by === 1) backlog.add(bytes)
    else backlog.remove(bytes)
    counters.queuedBytes = backlog.bytes
  }

  #take(): Waiting[] {
    const start = this.#taken
    let end = start
    let bytes = 0
    while (end < this.#queue.length && end - start < batchOperationsMax) {
      bytes += this.#queue[end]?.operation.bytes ?? 0
      if (bytes > batchBytesMax && end > start) break
      end += 1
    }
    const batch = this.#queue.slice(start, end)
    this.#taken = end
    if (this.#taken === this.#queue.length) {
      this.#queue = []
      this.#taken = 0
    }
    return batch
  }

  /** One batch. Throws only what the disk threw. */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { disk, draft, space, clock, counters, sync } = this.#parts
    if (space.due) await space.check()
    const begun = clock.monotonic()
    const asked = batch.filter((waiting) => this.#ask(waiting))
    await draft.load(disk)
    counters.damaged += draft.damaged
    const planned = asked.filter((waiting) => this.#plan(waiting))
    draft.end()
    if (draft.writes.length > 0) {
      draft.finish(this.#number + 1)
      draft.writes.push(link(this.#number + 1))
      await disk.batch(draft.writes, sync)
      this.#number += 1
      this.#parts.mark(this.#number)
      draft.committed()
      counters.commits += 1
      this.onCommit?.(clock.monotonic() - begun)
    }
    draft.reset()
    for (const waiting of planned) waiting.resolve(waiting.result)
  }

  #ask(waiting: Waiting): boolean {
    const { draft, space } = this.#parts
    try {
      if (space.low !== undefined && !waiting.operation.essential) throw space.refusal()
      waiting.operation.ask(draft)
      return true
    } catch (refusal) {
      waiting.reject(refusal)
      return false
    }
  }

  #plan(waiting: Waiting): boolean {
    try {
      waiting.result = waiting.operation.plan(this.#parts.draft)
      return true
    } catch (refusal) {
      if (!(refusal instanceof NitkaError)) throw refusal // A bug: what it wrote into the draft cannot be undone.
      waiting.reject(refusal)
      return false
    }
  }

  /** The end: whoever waits learns that the outcome is unknown. Settling twice does no harm. */
  #fail(thrown: unknown, batch: readonly Waiting[]): void {
    const { health, counters } = this.#parts
    counters.failures += 1
    health.fail(thrown)
    for (const { reject } of batch) reject(health.refusal())
    this.#empty(health.refusal())
  }

  /** Refuses what was not begun, but for what stays. */
  #empty(refusal: NitkaError, stays: (waiting: Waiting) => boolean = () => false): void {
    const waiting = this.#queue.slice(this.#taken)
    this.#queue = waiting.filter(stays)
    this.#taken = 0
    for (const { operation, reject } of waiting.filter((one) => !stays(one))) {
      this.#count(-1, operation)
      reject(refusal)
    }
  }
}

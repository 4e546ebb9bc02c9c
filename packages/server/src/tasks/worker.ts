// A worker: one connection that takes batches of one queue. Knows which leases it has, and so whether it is free.

import type { Ended, Lease } from './task-store.ts'

/** What a worker's connection does. */
export interface WorkerListener {
  /** The next batch, at least one. */
  batch(leases: readonly Lease[]): void
  /** A lease ended without its report: the worker is to stop working on it. */
  lost(ended: Ended): void
  /** Nothing was heard of it for so long that it may be gone: the connection is to end, a live one comes back. */
  silent(): void
}

export class Worker {
  /** Names it in histories and leases: unique. */
  readonly id: string
  readonly queue: string
  readonly batch: number
  /** Its place among the free ones: smaller is served first. */
  turn = 0
  claiming = false
  closed = false
  readonly #listener: WorkerListener
  /** By task. */
  readonly #leases = new Map<string, Lease>()
  /** Leases that ended before they came here, by their tokens. */
  readonly #early = new Set<string>()
  /** When it was given tasks and was not heard of since. Monotonic. */
  #askedAt: number | undefined

  constructor(birth: { id: string; queue: string; batch: number }, listener: WorkerListener) {
    this.id = birth.id
    this.queue = birth.queue
    this.batch = birth.batch
    this.#listener = listener
  }

  get free(): boolean {
    return !this.claiming && !this.closed && this.#leases.size === 0
  }

  /** Unsettled tasks. */
  get size(): number {
    return this.#leases.size
  }

  /** Whether it has an unsettled lease of the task. */
  has(task: string): boolean {
    return this.#leases.has(task)
  }

  /** Hands a batch over. */
  take(leases: readonly Lease[], now: number): void {
    this.claiming = false
    const live = leases.filter((lease) => !this.#early.delete(keyOf(lease.task.id, lease.token)))
    this.#early.clear()
    for (const lease of live) this.#leases.set(lease.task.id, lease)
    this.#askedAt ??= now
    if (live.length > 0) this.#listener.batch(live)
  }

  /** A lease of it is over. True: that was the last one. */
  ended(ended: Ended): boolean {
    const lease = this.#leases.get(ended.id)
    if (lease?.token !== ended.token) {
      if (this.claiming) this.#early.add(keyOf(ended.id, ended.token))
      return false
    }
    this.#leases.delete(ended.id)
    if (ended.lost) this.#listener.lost(ended)
    else this.heard()
    return this.#leases.size === 0
  }

  /** It lives. */
  heard(): void {
    this.#askedAt = undefined
  }

  /** Ends its connection when nothing was heard of it for `silentMs` more than its tasks may take. */
  checkSilence(now: number, silentMs: number, leaseMs: number): void {
    if (this.#askedAt !== undefined && now - this.#askedAt >= silentMs + leaseMs) this.#listener.silent()
  }
}

function keyOf(id: string, token: string): string {
  return `${id} ${token}`
}

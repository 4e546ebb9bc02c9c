// Hands the tasks of one queue to its free workers in turn. It asks the store when there is a free worker and the store may
// have something; when it has nothing, it waits until it is told that it has: nobody polls.

import type { Clock } from '../world.ts'
import type { Lease, TaskStore } from './task-store.ts'
import type { Worker } from './worker.ts'

/** Claims under way at one time: they share commits. */
const claimsMax = 32
/** After a claim that failed. */
const retryMs = 200

export interface DispatcherParts {
  readonly store: TaskStore
  readonly clock: Clock
  /** Leases were given. */
  readonly onLeased: (leases: readonly Lease[]) => void
  readonly onError: (error: unknown) => void
}

export class Dispatcher {
  readonly workers = new Set<Worker>()
  readonly #queue: string
  readonly #parts: DispatcherParts
  /** In the order of their turns. */
  #free: Worker[] = []
  #turns = 0
  #claiming = 0
  /** How often something became claimable. */
  #wakes = 0
  /** The store had nothing when it was asked, and has not said otherwise. */
  #dry = false
  #stopped = false

  constructor(queue: string, parts: DispatcherParts) {
    this.#queue = queue
    this.#parts = parts
  }

  get free(): number {
    return this.#free.length
  }

  /** Takes a worker that is free, as the last one in turn. */
  enter(worker: Worker): void {
    this.workers.add(worker)
    worker.turn = ++this.#turns
    this.#free.push(worker)
    this.#serve()
  }

  leave(worker: Worker): void {
    this.workers.delete(worker)
    this.#free = this.#free.filter((one) => one !== worker)
  }

  /** Something may be claimable. */
  wake(): void {
    this.#wakes += 1
    this.#dry = false
    this.#serve()
  }

  /** Hands out nothing more. */
  stop(): void {
    this.#stopped = true
  }

  #serve(): void {
    while (!this.#dry && !this.#stopped && this.#claiming < claimsMax) {
      const worker = this.#free.shift()
      if (worker === undefined) return
      worker.claiming = true
      this.#claiming += 1
      void this.#claim(worker)
    }
  }

  async #claim(worker: Worker): Promise<void> {
    const { store, clock, onLeased, onError } = this.#parts
    const wakes = this.#wakes
    let leases: readonly Lease[] = []
    let failed = false
    try {
      leases = await store.claim(this.#queue, worker.id, worker.batch)
    } catch (error) {
      failed = true
      onError(error)
    }
    this.#claiming -= 1
    if (leases.length < worker.batch && wakes === this.#wakes) this.#dry = true
    if (failed) clock.after(retryMs, () => this.wake())
    if (leases.length > 0) onLeased(leases)
    if (worker.closed) {
      // Nothing of it was sent, so it is no attempt.
      if (leases.length > 0) store.release(worker.id, false).catch(onError)
    } else {
      worker.take(leases, clock.monotonic())
      if (worker.size === 0) this.#comeBack(worker)
    }
    this.#serve()
  }

  /** It got nothing and keeps its turn. */
  #comeBack(worker: Worker): void {
    const at = this.#free.findIndex((one) => one.turn > worker.turn)
    if (at < 0) this.#free.push(worker)
    else this.#free.splice(at, 0, worker)
  }
}

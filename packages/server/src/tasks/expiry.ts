// The moments of tasks: leases that end, and delays that are over. One timer, for what is due next.

import type { Clock, Timer } from '../world.ts'
import type { Ended, TaskStore } from './task-store.ts'

/** After a failure. */
const retryMs = 1_000
/** A timer is set for at most so long. */
const timerMax = 60_000

interface ExpiryParts {
  readonly store: TaskStore
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

export class Expiry {
  readonly #parts: ExpiryParts
  readonly #onExpired: (ended: readonly Ended[]) => void
  #timer: { readonly at: number; readonly timer: Timer } | undefined
  #expiring: Promise<void> | undefined
  #scheduled = false
  #closed = false

  /** @param onExpired told the leases that have ended, durably. Must not throw */
  constructor({ store, clock, onError }: ExpiryParts, onExpired: (ended: readonly Ended[]) => void) {
    this.#parts = { store, clock, onError }
    this.#onExpired = onExpired
  }

  /** Sees to it that what is due next is done then. Once a turn, however often it is asked. */
  schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#parts.clock.soon(() => {
      this.#scheduled = false
      this.#plan()
    })
  }

  /** Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.timer.cancel()
    await this.#expiring
  }

  #plan(): void {
    const { store, clock } = this.#parts
    const dueMs = store.nextDueMs()
    if (dueMs === undefined || this.#closed || this.#expiring !== undefined) return
    const waitMs = Math.ceil(Math.max(0, Math.min(dueMs, timerMax)))
    const at = clock.monotonic() + waitMs
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.timer.cancel()
    const timer = clock.after(waitMs, () => {
      this.#timer = undefined
      this.#expiring = this.#expire().finally(() => {
        this.#expiring = undefined
        this.schedule()
      })
    })
    this.#timer = { at, timer }
  }

  async #expire(): Promise<void> {
    const { store, clock, onError } = this.#parts
    try {
      this.#onExpired(await store.expire())
    } catch (error) {
      onError(error)
      await new Promise<void>((resolve) => clock.after(retryMs, resolve))
    }
  }
}

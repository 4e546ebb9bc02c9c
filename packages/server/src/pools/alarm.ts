// One timer for whatever is due next, however many things there are.

import type { Clock, Timer } from '../world.ts'

/** A timer is set for at most so long. */
const longestMs = 60_000

export class Alarm {
  readonly #clock: Clock
  readonly #next: () => number
  readonly #ring: () => void
  #set: { readonly at: number; readonly timer: Timer } | undefined
  #closed = false

  /**
   * @param next when something is due, by the monotonic clock; infinity: never
   * @param ring sees to what is due now
   */
  constructor(clock: Clock, next: () => number, ring: () => void) {
    this.#clock = clock
    this.#next = next
    this.#ring = ring
  }

  /** Something may be due earlier than before. */
  set(): void {
    const at = this.#next()
    if (this.#closed || at === Number.POSITIVE_INFINITY || (this.#set !== undefined && this.#set.at <= at)) return
    this.#set?.timer.cancel()
    const waitMs = Math.max(0, Math.min(at - this.#clock.monotonic(), longestMs))
    const timer = this.#clock.after(Math.ceil(waitMs), () => {
      this.#set = undefined
      this.#ring()
      this.set()
    })
    this.#set = { at, timer }
  }

  close(): void {
    this.#closed = true
    this.#set?.timer.cancel()
  }
}

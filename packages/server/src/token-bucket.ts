// A rate with a burst: one token an event, refilled evenly, never more than the burst.

import type { Clock } from './world.ts'

export interface Rate {
  /** 0: no limit. */
  readonly perSecond: number
  readonly burst: number
}

export class TokenBucket {
  readonly #clock: Clock
  readonly #rate: Rate
  #tokens: number
  #filledAt: number

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
    this.#tokens = rate.burst
    this.#filledAt = clock.monotonic()
  }

  /**
   * Takes one token, into debt when there is none. Returns the milliseconds until the debt is paid, 0 when there is none.
   * Runs once per message.
   */
  take(): number {
    const { perSecond, burst } = this.#rate
    if (perSecond === 0) return 0
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) * perSecond) / 1000) - 1
    this.#filledAt = now
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / perSecond)
  }

  /** Milliseconds until there is a token to take, 0: now. Takes none. */
  get waitMs(): number {
    if (this.#rate.perSecond === 0) return 0
    const missing = 1 - this.#now()
    return missing <= 0 ? 0 : Math.ceil((missing * 1000) / this.#rate.perSecond)
  }

  /** Whether nothing is missing: it is as good as a new one. */
  get full(): boolean {
    return this.#rate.perSecond === 0 || this.#now() >= this.#rate.burst
  }

  /** Gives a token back: what it was taken for did not happen. */
  giveBack(): void {
    this.#tokens++
  }

  /** Tokens at this moment. */
  #now(): number {
    const { perSecond, burst } = this.#rate
    return Math.min(burst, this.#tokens + ((this.#clock.monotonic() - this.#filledAt) * perSecond) / 1000)
  }
}

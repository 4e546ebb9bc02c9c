// A rate a key: of each user, of each address. Whoever is quiet is forgotten, which costs nothing: their bucket is full again.

import { type Rate, TokenBucket } from './token-bucket.ts'
import type { Clock } from './world.ts'

/** Each newcomer looks at so many of the oldest: there is never much more than what is in use. */
const lookedAt = 2

export class Rates {
  readonly #clock: Clock
  readonly #rate: Rate
  readonly #keysMax: number
  readonly #buckets = new Map<string, TokenBucket>()

  /** @param keysMax how many are remembered at most; above it the oldest are forgotten, whatever they took */
  constructor(clock: Clock, rate: Rate, keysMax = 100_000) {
    this.#clock = clock
    this.#rate = rate
    this.#keysMax = keysMax
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#buckets.size
  }

  /** Takes one of the key's tokens, into debt when there is none. Returns the milliseconds until the debt is paid. */
  take(key: string): number {
    if (this.#rate.perSecond === 0) return 0
    return (this.#buckets.get(key) ?? this.#open(key)).take()
  }

  /** Takes one of the key's tokens. False: there is none. */
  tryTake(key: string): boolean {
    return this.waitMs(key) === 0 && this.take(key) === 0
  }

  /** Gives a token of the key back: what it was taken for did not happen. */
  giveBack(key: string): void {
    this.#buckets.get(key)?.giveBack()
  }

  /** Milliseconds until the key has a token, 0: now. Takes none. */
  waitMs(key: string): number {
    return this.#buckets.get(key)?.waitMs ?? 0
  }

  #open(key: string): TokenBucket {
    let looks = lookedAt
    for (const [old, bucket] of this.#buckets) {
      const crowded = this.#buckets.size >= this.#keysMax
      if (looks-- === 0 && !crowded) break
      this.#buckets.delete(old)
      if (!crowded && !bucket.full) this.#buckets.set(old, bucket)
    }
    const bucket = new TokenBucket(this.#clock, this.#rate)
    this.#buckets.set(key, bucket)
    return bucket
  }
}

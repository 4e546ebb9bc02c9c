// The intake: how fast a connection is read. Over its rate, or with too much unanswered, or with a full outbox, its
// socket is read more slowly; nothing is refused and nothing is dropped.

import type { Clock, Timer } from '../world.ts'
import { TokenBucket } from './token-bucket.ts'

export interface IntakeLimits {
  /** Messages a second, 0: no limit. */
  readonly ratePerSecond: number
  readonly burst: number
  /** Calls that may be unanswered at once, 0: no limit. */
  readonly unansweredMax: number
  /** Bytes of unanswered calls, 0: no limit. */
  readonly unansweredBytes: number
}

/** What the intake can hold back. */
export interface Tap {
  pause(): void
  resume(): void
}

export class Intake {
  /** Times that reading was held back. */
  held = 0
  /** Told each time that the last call under way was answered. */
  onIdle: (() => void) | undefined
  readonly #clock: Clock
  readonly #limits: IntakeLimits
  readonly #tap: Tap
  readonly #bucket: TokenBucket
  #timer: Timer | undefined
  #unanswered = 0
  #unansweredBytes = 0
  #reasons = 0

  constructor(clock: Clock, limits: IntakeLimits, tap: Tap) {
    this.#clock = clock
    this.#limits = limits
    this.#tap = tap
    this.#bucket = new TokenBucket(clock, { perSecond: limits.ratePerSecond, burst: limits.burst })
  }

  /** Whether this side holds the peer back: its silence is then no sign of death. */
  get holding(): boolean {
    return this.#reasons !== 0
  }

  /** Calls under way. */
  get unanswered(): number {
    return this.#unanswered
  }

  /** Counts one message against the rate. */
  count(): void {
    const waitMs = this.#bucket.take()
    if (waitMs === 0 || this.#timer !== undefined) return
    this.#hold(rate)
    this.#timer = this.#clock.after(waitMs, this.#refilled)
  }

  /** A call that will be answered later began. */
  begin(bytes: number): void {
    this.#unanswered++
    this.#unansweredBytes += bytes
    const { unansweredMax, unansweredBytes } = this.#limits
    const tooMany = unansweredMax !== 0 && this.#unanswered >= unansweredMax
    const tooLarge = unansweredBytes !== 0 && this.#unansweredBytes >= unansweredBytes
    if (tooMany || tooLarge) this.#hold(unanswered)
  }

  /** It was answered. */
  end(bytes: number): void {
    this.#unanswered--
    this.#unansweredBytes -= bytes
    const { unansweredMax, unansweredBytes } = this.#limits
    const few = unansweredMax === 0 || this.#unanswered < unansweredMax
    const small = unansweredBytes === 0 || this.#unansweredBytes < unansweredBytes
    if (few && small) this.#release(unanswered)
    if (this.#unanswered === 0) this.onIdle?.()
  }

  /** The outbox is full: who does not read its answers is not read from. */
  outboxFull(): void {
    this.#hold(outbox)
  }

  outboxDrained(): void {
    this.#release(outbox)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #refilled = (): void => {
    this.#timer = undefined
    this.#release(rate)
  }

  #hold(reason: number): void {
    if (this.#reasons === 0) {
      this.held++
      this.#tap.pause()
    }
    this.#reasons |= reason
  }

  #release(reason: number): void {
    if ((this.#reasons & reason) === 0) return
    this.#reasons &= ~reason
    if (this.#reasons === 0) this.#tap.resume()
  }
}

const rate = 1
const unanswered = 2
const outbox = 4

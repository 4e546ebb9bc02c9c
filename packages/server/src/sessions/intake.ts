// The intake: how fast a connection is read. Over its rate, or with too much unanswered, or with a full outbox, or while the
// store is behind, its socket is read more slowly; nothing is refused and nothing is dropped.

import type { Rates } from '../rates.ts'
import { TokenBucket } from '../token-bucket.ts'
import type { Clock, Timer } from '../world.ts'
import type { Dam, Held } from './dam.ts'

export interface IntakeLimits {
  /** Messages a second, 0: no limit. */
  readonly ratePerSecond: number
  readonly burst: number
  /** Calls that may be unanswered at once, 0: no limit. */
  readonly unansweredMax: number
  /** Bytes of unanswered calls, 0: no limit. */
  readonly unansweredBytes: number
  /** Joins a second, 0: no limit. */
  readonly joinsPerSecond: number
}

/** Pings and pongs. Nobody needs as many; whoever measures with them may send so many at once. */
export const controls = { perSecond: 20, burst: 1_000 }

/** A client that comes back joins at once all that it had joined. */
const joinsBurst = 256

/** Who owes an answer may have so many times the calls under way; then more are refused. */
const owingTimes = 4

/** What all intakes may share. */
export interface Shared {
  /** Holds back who sends what is to be stored. */
  readonly dam?: Dam
  /** Messages of a user over all connections. */
  readonly rates?: Rates
}

/** What the intake can hold back. */
export interface Tap {
  pause(): void
  resume(): void
}

export class Intake implements Held {
  /** Times that reading was held back. */
  held = 0
  /** Told each time that the last call under way was answered. */
  onIdle: (() => void) | undefined
  /** Whose messages they are; '' for nobody in particular. */
  user = ''
  readonly #clock: Clock
  readonly #limits: IntakeLimits
  readonly #tap: Tap
  readonly #bucket: TokenBucket
  readonly #joins: TokenBucket
  readonly #controls: TokenBucket
  readonly #dam: Dam | undefined
  readonly #rates: Rates | undefined
  #timer: Timer | undefined
  /** Until when it is held back for its rate, monotonic. */
  #until = 0
  #unanswered = 0
  #unansweredBytes = 0
  /** Answers that others wait for. */
  #owed = 0
  #reasons = 0

  constructor(clock: Clock, limits: IntakeLimits, tap: Tap, { dam, rates }: Shared = {}) {
    this.#clock = clock
    this.#dam = dam
    this.#rates = rates
    this.#limits = limits
    this.#tap = tap
    this.#bucket = new TokenBucket(clock, { perSecond: limits.ratePerSecond, burst: limits.burst })
    this.#joins = new TokenBucket(clock, { perSecond: limits.joinsPerSecond, burst: joinsBurst })
    this.#controls = new TokenBucket(clock, controls)
  }

  /** Whether this side holds the peer back: its silence is then no sign of death. */
  get holding(): boolean {
    return this.#reasons !== 0
  }

  /** Calls under way. */
  get unanswered(): number {
    return this.#unanswered
  }

  /** Counts one message against the rate of the connection, and of its user. */
  count(): void {
    const waitMs = this.#bucket.take()
    const userMs = this.user === '' ? 0 : (this.#rates?.take(this.user) ?? 0)
    this.#slow(Math.max(waitMs, userMs))
  }

  /** Counts a join, besides the message that asked for it. */
  countJoin(): void {
    this.#slow(this.#joins.take())
  }

  /** Counts a ping or pong. */
  countControl(): void {
    this.#slow(this.#controls.take())
  }

  /** A call that will be answered later began. @param stores whether it may have something stored */
  begin(bytes: number, stores = true): void {
    this.#unanswered++
    this.#unansweredBytes += bytes
    if (this.#owed === 0 && this.#over(1)) this.#hold(unanswered)
    if (!stores || this.#dam?.closed !== true) return
    this.#dam.hold(this)
    this.#hold(store)
  }

  /** It was answered. */
  end(bytes: number): void {
    this.#unanswered--
    this.#unansweredBytes -= bytes
    if (!this.#over(1)) this.#release(unanswered)
    if (this.#unanswered === 0) this.onIdle?.()
  }

  /**
   * Somebody waits for an answer of the peer, 1, or has it, -1. While one does, the peer is read whatever is unanswered: what it
   * asked itself may wait for just that answer.
   */
  owe(by: 1 | -1): void {
    this.#owed += by
    if (this.#owed > 0) this.#release(unanswered)
    else if (this.#over(1)) this.#hold(unanswered)
  }

  /** Whether it is read only because it owes an answer, and has so many calls under way that no more should begin. */
  get crowded(): boolean {
    return this.#owed > 0 && this.#over(owingTimes)
  }

  /** The outbox is full: who does not read its answers is not read from. */
  outboxFull(): void {
    this.#hold(outbox)
  }

  outboxDrained(): void {
    this.#release(outbox)
  }

  /** The store is not behind any more. */
  opened(): void {
    this.#release(store)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#dam?.forget(this)
  }

  #over(times: number): boolean {
    const { unansweredMax, unansweredBytes } = this.#limits
    const tooMany = unansweredMax !== 0 && this.#unanswered >= unansweredMax * times
    return tooMany || (unansweredBytes !== 0 && this.#unansweredBytes >= unansweredBytes * times)
  }

  #slow(waitMs: number): void {
    if (waitMs === 0) return
    const until = this.#clock.monotonic() + waitMs
    if (until > this.#until) this.#until = until
    if (this.#timer !== undefined) return
    this.#hold(rate)
    this.#timer = this.#clock.after(waitMs, this.#refilled)
  }

  readonly #refilled = (): void => {
    const left = this.#until - this.#clock.monotonic()
    this.#timer = left > 0 ? this.#clock.after(left, this.#refilled) : undefined
    if (this.#timer === undefined) this.#release(rate)
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
const store = 8

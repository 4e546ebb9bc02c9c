// The pool: what waits for one relay client whose socket takes nothing. Newest wins: at its bound the oldest go, and
// every `retryMs` without progress is a failed attempt for each message waiting, which goes at `attemptsMax`. So a dead
// or slow client costs a bounded amount and harms nobody.

import type { Recipient } from '../fanout/recipient.ts'
import type { Clock, Timer } from '../world.ts'

export interface PoolLimits {
  /** Messages, 0: no limit. */
  readonly messagesMax: number
  /** Bytes, 0: no limit. */
  readonly bytesMax: number
  readonly retryMs: number
  readonly attemptsMax: number
}

/** By which rule a relay message was dropped. */
export type DropRule = 'pool-messages' | 'pool-bytes' | 'attempts' | 'left' | 'too-large-for-bus'

/** Told what becomes of each message that came into the pool: one of the two, once. */
export interface PoolEvents {
  /** Handed to the socket. */
  delivered(count: number): void
  dropped(rule: DropRule, count: number): void
}

interface Waiting {
  readonly bytes: Uint8Array
  /** The pool's count of failed attempts when it came. */
  readonly since: number
}

export class Pool {
  readonly #recipient: Recipient
  readonly #clock: Clock
  readonly #limits: PoolLimits
  readonly #events: PoolEvents
  #waiting: Waiting[] = []
  #bytes = 0
  #failures = 0
  #taken = 0
  #timer: Timer | undefined
  readonly #forgetDrain: () => void

  constructor(recipient: Recipient, clock: Clock, limits: PoolLimits, events: PoolEvents) {
    this.#recipient = recipient
    this.#clock = clock
    this.#limits = limits
    this.#events = events
    this.#forgetDrain = recipient.onDrain(() => this.#send())
  }

  get empty(): boolean {
    return this.#waiting.length === 0
  }

  get length(): number {
    return this.#waiting.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps a message until the socket takes again. The bytes are the pool's from now on. */
  add(bytes: Uint8Array): void {
    const { messagesMax, bytesMax, retryMs } = this.#limits
    this.#waiting.push({ bytes, since: this.#failures })
    this.#bytes += bytes.length
    if (messagesMax !== 0) this.#drop('pool-messages', this.#waiting.length - messagesMax)
    if (bytesMax !== 0 && this.#bytes > bytesMax) this.#drop('pool-bytes', this.#countAbove(bytesMax))
    if (this.#timer !== undefined) return
    this.#taken = this.#recipient.taken
    this.#timer = this.#clock.every(retryMs, () => this.#retry())
  }

  /** The client left: what waits is dropped and counted. May be called twice. */
  close(): void {
    this.#forgetDrain()
    this.#timer?.cancel()
    this.#timer = undefined
    this.#drop('left', this.#waiting.length)
  }

  #retry(): void {
    this.#send()
    if (this.empty) return
    if (this.#recipient.taken !== this.#taken) {
      this.#taken = this.#recipient.taken
      return
    }
    this.#failures++
    const tired = this.#waiting.findIndex(({ since }) => this.#failures - since < this.#limits.attemptsMax)
    this.#drop('attempts', tired < 0 ? this.#waiting.length : tired)
  }

  /** Hands over what the socket takes now, oldest first, in one write. */
  #send(): void {
    if (this.empty) return this.#rest()
    if (!this.#recipient.flowing) return
    let count = 0
    let bytes = 0
    for (const waiting of this.#waiting) {
      if (bytes >= writeBytes) break
      bytes += waiting.bytes.length
      count++
    }
    const sent = this.#waiting.splice(0, count)
    this.#bytes -= bytes
    this.#recipient.deliver(Buffer.concat(sent.map((waiting) => waiting.bytes)))
    this.#events.delivered(count)
    this.#rest()
  }

  #rest(): void {
    if (!this.empty) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** How many of the oldest must go so that the rest is within `bytesMax`. */
  #countAbove(bytesMax: number): number {
    let over = this.#bytes - bytesMax
    let count = 0
    while (over > 0 && count < this.#waiting.length) over -= this.#waiting[count++]?.bytes.length ?? 0
    return count
  }

  #drop(rule: DropRule, count: number): void {
    if (count <= 0) return
    for (const { bytes } of this.#waiting.splice(0, count)) this.#bytes -= bytes.length
    this.#events.dropped(rule, count)
    this.#rest()
  }
}

/** At most so much is handed to a socket at once, so that a slow one holds little that could still be replaced. */
const writeBytes = 64 * 1024

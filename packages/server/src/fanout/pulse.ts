// The pulse: the moment at which what channels produced is joined and all dirty outboxes are written. Due at the end of
// the event-loop turn when the last pulse lies `pulseMs` back, otherwise `pulseMs` after the last one: quiet traffic is
// not delayed, busy traffic shares its system calls. Owns no bytes.

import type { Clock, Timer } from '../world.ts'

/** What has something for the next pulse. */
export interface Beat {
  /** Called once per pulse in which it asked to be. Must not throw. */
  beat(): void
}

export class Pulse {
  /** Pulses so far. */
  count = 0
  readonly #clock: Clock
  readonly #pulseMs: number
  #channels: Beat[] = []
  #outboxes: Beat[] = []
  #last = Number.NEGATIVE_INFINITY
  #armed = false
  #timer: Timer | undefined

  constructor(clock: Clock, pulseMs: number) {
    this.#clock = clock
    this.#pulseMs = pulseMs
  }

  /** A channel to join before the outboxes are written. Once per pulse and channel: the caller remembers. */
  addChannel(channel: Beat): void {
    this.#channels.push(channel)
    this.#arm()
  }

  /** An outbox to write. Once per pulse and outbox: the caller remembers. */
  addOutbox(outbox: Beat): void {
    this.#outboxes.push(outbox)
    this.#arm()
  }

  /** Runs the pulse now: when a channel has gathered as much as one write should carry. */
  beatNow(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    // The outboxes that the channels fill are written below: no further pulse is due for them.
    this.#armed = true
    this.#last = this.#clock.monotonic()
    this.count++
    const channels = this.#channels
    this.#channels = []
    for (const channel of channels) channel.beat()
    const outboxes = this.#outboxes
    this.#outboxes = []
    this.#armed = false
    if (this.#channels.length > 0) this.#arm()
    for (const outbox of outboxes) outbox.beat()
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    const wait = this.#pulseMs - (this.#clock.monotonic() - this.#last)
    if (wait <= 0) this.#clock.soon(this.#due)
    else this.#timer = this.#clock.after(wait, this.#due)
  }

  readonly #due = (): void => {
    if (this.#armed) this.beatNow()
  }
}

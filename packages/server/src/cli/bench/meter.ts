// What a load counts, and how long things took. Bounded: times go into a histogram, not into a list.

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Clock } from '../../world.ts'

/** The largest time that the histogram tells apart, microseconds: 10 minutes. */
const longest = 600_000_000

/** Milliseconds. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface Measured {
  readonly seconds: number
  /** Sent and confirmed, or answered. */
  readonly messages: number
  /** Received: one for each receiver. */
  readonly deliveries: number
  /** Refused, failed or lost. */
  readonly errors: number
  /** Absent when nothing was received. */
  readonly latencyMs?: Latency
}

export class Meter {
  readonly #clock: Clock
  readonly #times: RecordableHistogram
  #begun: number
  #messages = 0
  #deliveries = 0
  #errors = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#times = createHistogram({ lowest: 1, highest: longest, figures: 3 })
    this.#begun = clock.monotonic()
  }

  /** Milliseconds, for `delivered`. */
  now(): number {
    return this.#clock.monotonic()
  }

  get messages(): number {
    return this.#messages
  }

  get deliveries(): number {
    return this.#deliveries
  }

  confirmed(count = 1): void {
    this.#messages += count
  }

  /** @param sentAt what `now` said when it was sent */
  delivered(sentAt: number): void {
    this.#deliveries++
    const microseconds = Math.round((this.#clock.monotonic() - sentAt) * 1_000)
    this.#times.record(Math.min(longest, Math.max(1, microseconds)))
  }

  failed(count = 1): void {
    this.#errors += count
  }

  /** Begins to count, from zero. */
  begin(): void {
    this.#begun = this.#clock.monotonic()
    this.#messages = 0
    this.#deliveries = 0
    this.#errors = 0
    this.#times.reset()
  }

  /** What was counted since `begin`. */
  read(): Measured {
    const times = this.#times
    const milliseconds = (microseconds: number): number => Math.round(microseconds) / 1_000
    const latencyMs = {
      p50: milliseconds(times.percentile(50)),
      p99: milliseconds(times.percentile(99)),
      max: milliseconds(times.max),
    }
    return {
      seconds: Math.round(this.#clock.monotonic() - this.#begun) / 1_000,
      messages: this.#messages,
      deliveries: this.#deliveries,
      errors: this.#errors,
      ...(times.count === 0 ? {} : { latencyMs }),
    }
  }
}

// Time and chance, injected. This file alone touches the real clock, the real timers and the real random source, so
// that a test owns both and a run can be repeated from a seed.

import { randomBytes } from 'node:crypto'

/** A running timer. */
export interface Timer {
  /** Stops it. May be called twice, and after it ran. */
  cancel(): void
}

/** Time, and what is to happen later. */
export interface Clock {
  /** Wall time in milliseconds since 1970: for what people read. May jump. */
  now(): number
  /** Milliseconds from an arbitrary start that never go back: for durations and deadlines. */
  monotonic(): number
  /** Runs `task` at the end of this turn of the event loop, after the input that is there has been read. */
  soon(task: () => void): void
  /**
   * Runs `task` once after `ms`; as soon as it can if that is over already, which it is when the process was stopped between
   * reading the clock and asking; after at most 24.8 days. Does not keep the process alive.
   */
  after(ms: number, task: () => void): Timer
  /** Runs `task` every `ms`, first after `ms`. Does not keep the process alive. */
  every(ms: number, task: () => void): Timer
}

/** Chance. */
export interface Random {
  /** `length` bytes, unpredictable in production. */
  bytes(length: number): Uint8Array
  /** A fraction, 0 included, 1 excluded: for jitter. */
  fraction(): number
}

/** What a server takes from the world around it. */
export interface World {
  readonly clock: Clock
  readonly random: Random
}

/** Longer waits overflow Node's timers, which then run at once. */
const timerMax = 2 ** 31 - 1

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  soon: (task) => {
    setImmediate(task)
  },
  after(ms, task) {
    const timer = setTimeout(task, Math.min(Math.max(ms, 0), timerMax)).unref()
    return { cancel: () => clearTimeout(timer) }
  },
  every(ms, task) {
    const timer = setInterval(task, ms).unref()
    return { cancel: () => clearInterval(timer) }
  },
}

const realRandom: Random = {
  bytes: (length) => randomBytes(length),
  fraction: () => Math.random(),
}

/** The clock of the machine, and its random source. */
export function realWorld(): World {
  return { clock: realClock, random: realRandom }
}

/** Resolves after `ms` of the clock's time. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}

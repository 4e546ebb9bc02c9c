// Time and chance, injected. This file alone touches the real clock, the real timers and the real random source, so
// that a test owns both and a run can be repeated from a seed.

import { randomBytes } from 'node:crypto'

/** A running timer. */
export interface Timer {
  /** Stops it. May be called twice, and after it ran. */
  cancel(): void
}

export interface Clock {
  /** Wall time in milliseconds since 1970: for what people read. May jump. */
  now(): number
  /** Milliseconds from an arbitrary start that never go back: for durations and deadlines. */
  monotonic(): number
  /** Runs `task` at the end of this turn of the event loop, after the input that is there has been read. */
  soon(task: () => void): void
  /** Runs `task` once after `ms`. Does not keep the process alive. */
  after(ms: number, task: () => void): Timer
  /** Runs `task` every `ms`, first after `ms`. Does not keep the process alive. */
  every(ms: number, task: () => void): Timer
}

export interface Random {
  /** `length` bytes, unpredictable in production. */
  bytes(length: number): Uint8Array
  /** A fraction, 0 included, 1 excluded: for jitter. */
  fraction(): number
}

export interface World {
  readonly clock: Clock
  readonly random: Random
}

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  soon: (task) => {
    setImmediate(task)
  },
  after(ms, task) {
    const timer = setTimeout(task, ms).unref()
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

export function realWorld(): World {
  return { clock: realClock, random: realRandom }
}

/** Resolves after `ms` of the clock's time. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}

// The clock of one life of the server: its own beginning, and timers that end with it. Libraries that ask the global timers
// get the same time.

import type { Clock, Timer } from '../../src/world.ts'
import type { SimulatedClock } from '../clock.ts'

export class ProcessClock implements Clock {
  readonly #world: SimulatedClock
  readonly #born: number
  readonly #timers = new Set<Timer>()
  #dead = false

  constructor(world: SimulatedClock) {
    this.#world = world
    this.#born = world.monotonic()
  }

  now(): number {
    return Math.floor(this.#world.now())
  }

  monotonic(): number {
    return this.#world.monotonic() - this.#born
  }

  soon(task: () => void): void {
    this.#after(0, task)
  }

  /** As Node's timers, never within the same millisecond. */
  after(ms: number, task: () => void): Timer {
    return this.#after(Math.max(ms, 1), task)
  }

  #after(ms: number, task: () => void): Timer {
    if (this.#dead) return { cancel: () => undefined }
    const timer = this.#world.after(ms, () => {
      this.#timers.delete(timer)
      task()
    })
    this.#timers.add(timer)
    return this.#cancelling(timer)
  }

  every(ms: number, task: () => void): Timer {
    if (this.#dead) return { cancel: () => undefined }
    const timer = this.#world.every(ms, task)
    this.#timers.add(timer)
    return this.#cancelling(timer)
  }

  /** Timers that would still run. */
  get waiting(): number {
    return this.#timers.size
  }

  /** Nothing of this process happens any more. */
  kill(): void {
    this.#dead = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  #cancelling(timer: Timer): Timer {
    return {
      cancel: () => {
        timer.cancel()
        this.#timers.delete(timer)
      },
    }
  }
}

/** `setTimeout` and `clearTimeout` as libraries call them, on the clock that `clock` names. Returns how to put them back. */
export function replaceTimers(clock: () => Clock | undefined): () => void {
  const { setTimeout: realSet, clearTimeout: realClear } = globalThis
  const simulated = new WeakSet<object>()
  const set = (task: (...given: unknown[]) => void, ms = 0, ...given: unknown[]): unknown => {
    const here = clock()
    if (here === undefined) return realSet(task, ms, ...given)
    const { cancel } = here.after(ms, () => task(...given))
    const timer = { cancel, ref: () => timer, unref: () => timer, hasRef: () => false }
    simulated.add(timer)
    return timer
  }
  const clear = (timer: unknown): void => {
    if (typeof timer === 'object' && timer !== null && simulated.has(timer)) (timer as Timer).cancel()
    else realClear(timer as NodeJS.Timeout)
  }
  Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
  return () => void Object.assign(globalThis, { setTimeout: realSet, clearTimeout: realClear })
}

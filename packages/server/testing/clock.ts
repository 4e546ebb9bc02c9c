// A clock that stands still until the test moves it. Part of `nitka/testing`.

import type { Clock, Timer } from '../src/world.ts'

interface Due {
  at: number
  /** Of two that are due at one moment, the one that was asked for first runs first. */
  readonly order: number
  readonly task: () => void
  readonly everyMs: number | undefined
}

/**
 * Stands still until it is moved: `createServer({…}, { world: { ...realWorld(), clock } })`. Everything that the server does
 * by time or at the end of a turn (leases, back-offs, heartbeats, what is written to connections, events) waits for it; disk
 * and network go on by themselves.
 */
export class SimulatedClock implements Clock {
  #elapsed = 0
  #orders = 0
  readonly #start: number
  readonly #due = new Set<Due>()

  /** @param start wall time at the start, milliseconds since 1970 */
  constructor(start = Date.parse('2026-01-02T03:04:05Z')) {
    this.#start = start
  }

  /** Wall time: the start and what went by, milliseconds since 1970. */
  now(): number {
    return this.#start + this.#elapsed
  }

  monotonic(): number {
    return this.#elapsed
  }

  soon(task: () => void): void {
    this.#add(0, task, undefined)
  }

  after(ms: number, task: () => void): Timer {
    return this.#add(ms, task, undefined)
  }

  every(ms: number, task: () => void): Timer {
    return this.#add(ms, task, ms)
  }

  /** Timers that would still run. */
  get waiting(): number {
    return this.#due.size
  }

  /** Runs what `soon` was asked for, and what is due now. */
  turn(): void {
    this.advance(0)
  }

  /** Moves on by `ms` and runs what becomes due on the way, in order, each at its own moment. What is thrown ends it. */
  advance(ms: number): void {
    const end = this.#elapsed + ms
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) this.#run(due)
    this.#elapsed = end
  }

  /** `ms` go by in which nothing runs, as in a process that is stopped; then everything is late, and repeated once. */
  stall(ms: number): void {
    this.#elapsed += ms
    for (const due of this.#due) due.at = Math.max(due.at, this.#elapsed)
  }

  /** `advance` for code that awaits: what a task resolves has happened before the next task runs. */
  async pass(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settled()
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#run(due)
      await settled()
    }
    this.#elapsed = end
  }

  #add(ms: number, task: () => void, everyMs: number | undefined): Timer {
    const due: Due = { at: this.#elapsed + ms, order: this.#orders++, task, everyMs }
    this.#due.add(due)
    return { cancel: () => this.#due.delete(due) }
  }

  #next(end: number): Due | undefined {
    let next: Due | undefined
    for (const due of this.#due) {
      if (due.at > end) continue
      if (next === undefined || due.at < next.at || (due.at === next.at && due.order < next.order)) next = due
    }
    return next
  }

  #run(due: Due): void {
    this.#elapsed = Math.max(this.#elapsed, due.at)
    if (due.everyMs === undefined) this.#due.delete(due)
    else due.at += due.everyMs
    due.task()
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

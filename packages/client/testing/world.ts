// Time that stands still, chance that is written down, and ids that count.

import { SimulatedClock } from '../../server/testing/clock.ts'
import type { World } from '../src/world.ts'

export class FakeWorld implements World {
  readonly clock = new SimulatedClock()
  /** What is drawn next; after that `usual`. */
  readonly chances: number[] = []
  usual = 0.5
  /** How long the computer has slept: its timers stood still. */
  slept = 0
  #ids = 0

  now(): number {
    return this.clock.monotonic() + this.slept
  }

  after(ms: number, task: () => void): () => void {
    const timer = this.clock.after(ms, task)
    return () => timer.cancel()
  }

  random(): number {
    return this.chances.shift() ?? this.usual
  }

  id(): string {
    return `id-${++this.#ids}`
  }
}

/** Everything that could happen without time going by has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

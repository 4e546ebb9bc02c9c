// A real clock whose far ends a test reaches: when tokens and sessions end.

import { realClock, realWorld, type World } from '../src/world.ts'
import type { SimulatedClock } from './clock.ts'

/**
 * Wall time is `clock`'s and stands still until the test moves it; so do timers of more than `farMs`, which are those that end
 * sessions. Everything shorter goes on by itself.
 */
export function farWorld(clock: SimulatedClock, farMs = 30_000): World {
  const { random } = realWorld()
  const mixed = {
    now: () => clock.now(),
    monotonic: () => realClock.monotonic(),
    soon: (task: () => void) => realClock.soon(task),
    every: (ms: number, task: () => void) => realClock.every(ms, task),
    after: (ms: number, task: () => void) => (ms > farMs ? clock.after(ms, task) : realClock.after(ms, task)),
  }
  return { clock: mixed, random }
}

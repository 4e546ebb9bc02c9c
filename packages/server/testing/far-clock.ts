// Clocks of which a test moves a part: what is to end goes on at the test's word, and the rest by itself.

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

/**
 * Time stands still until the test moves `clock`: what is measured, what is repeated, and timers of more than `farMs`. What is
 * sent, stored and answered goes on by itself. For rates, leases and drains whose end must not come before the test wants it.
 */
export function stillWorld(clock: SimulatedClock, farMs = 100): World {
  const { random } = realWorld()
  const mixed = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    soon: (task: () => void) => realClock.soon(task),
    every: (ms: number, task: () => void) => clock.every(ms, task),
    after: (ms: number, task: () => void) => (ms > farMs ? clock.after(ms, task) : realClock.after(ms, task)),
  }
  return { clock: mixed, random }
}

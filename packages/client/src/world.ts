// Time and chance. Tests put their own in its place.

/** A clock and a source of chance. */
export interface World {
  /** Milliseconds that only grow, also while the computer sleeps. */
  now(): number
  /** Runs `task` once, `ms` from now. Returns how to call it off. */
  after(ms: number, task: () => void): () => void
  /** From 0 up to, not including, 1. */
  random(): number
  /** An id that nobody else has: 22 characters, made of 128 bits of chance. */
  id(): string
}

/** Longer waits than this would overflow a timer, and run at once. */
const timerMax = 2 ** 31 - 1
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_'

/** What two clocks differ in by themselves between two looks. */
const driftMs = 1_000

/**
 * A clock that only grows, and goes on during a sleep, in which those of some systems stand still. A wall clock that was set
 * forward looks like a sleep: then holds and leases end too soon, not too late.
 */
export function wakeful(passed: () => number, wall: () => number): () => number {
  let ahead = wall() - passed()
  let slept = 0
  return () => {
    const now = passed()
    const more = wall() - now - ahead
    if (more > driftMs) slept += more
    if (more > 0) ahead += more
    return now + slept
  }
}

export const realWorld: World = {
  now: wakeful(
    () => performance.now(),
    () => Date.now(),
  ),
  after(ms, task) {
    const timer = setTimeout(task, Math.min(ms, timerMax))
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
  id() {
    // Not randomUUID: pages that are not served over TLS do not have it.
    const bytes = crypto.getRandomValues(new Uint8Array(22))
    return Array.from(bytes, (byte) => alphabet[byte & 63]).join('')
  },
}

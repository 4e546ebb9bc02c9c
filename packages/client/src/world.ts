// Time and chance. Tests put their own in its place.

/** A clock and a source of chance. */
export interface World {
  /** Milliseconds that only grow. */
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

export const realWorld: World = {
  now: () => performance.now(),
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

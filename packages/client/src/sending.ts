// How durable things are sent: repeated until they are answered, under an id by which the server knows a repeat.

import type { CallOptions } from './calls.ts'

/** How a message is sent. */
export interface SendOptions extends CallOptions {
  /** Names this message, at most 64 bytes: the same id within 24 hours is stored once. Absent: one is made. */
  readonly clientId?: string
}

/** The server knows ids for 24 hours: whoever repeats for less can never double. */
const horizonMs = 12 * 60 * 60 * 1_000

/** How long most other calls wait, time without a connection included. */
const patienceMs = 30_000

export function sendOptions({ signal, timeoutMs = horizonMs }: CallOptions): CallOptions {
  return { signal, timeoutMs: Math.min(timeoutMs, horizonMs) }
}

export function patient({ signal, timeoutMs = patienceMs }: CallOptions): CallOptions {
  return { signal, timeoutMs }
}

// What an error of the driver is to those who asked: refused by a function of the schema, passing, or a fault of ours.

import { NitkaError } from '@nitka/protocol'
import postgres from 'postgres'

/** States of Postgres in which the same statement may go well later: 25006 says that another server takes writes now. */
const passing = /^(08|40|53|57|25006)/

/** Somebody else's transaction had locked what was needed. */
const lockedState = '55P03'

/** Of attempts to connect. */
const unsent: ReadonlySet<string> = new Set(['57P03', 'ECONNREFUSED', 'CONNECT_TIMEOUT'])

/** What functions of the schema raise when they refuse something, to undo what their transaction did. */
const refusals: Readonly<Record<string, { readonly code: 'conflict' | 'overloaded'; readonly field: string }>> = {
  NT409: { code: 'conflict', field: 'key' },
  NT503: { code: 'overloaded', field: 'queue' },
}

export interface Failure {
  /** For those who asked. */
  readonly error: NitkaError
  /** Why the database does not answer; undefined: it does. */
  readonly trouble: string | undefined
  /** It did as it should. */
  readonly refused: boolean
}

/** Judges what a statement threw. What did not come from Postgres itself is of the connection to it: whether it was done is unknown. */
export function failureOf(thrown: unknown): Failure {
  const code = codeOf(thrown)
  const message = messageOf(thrown)
  const refusal = refusals[code]
  if (refusal !== undefined) {
    return { error: new NitkaError(refusal.code, message, { field: refusal.field }), trouble: undefined, refused: true }
  }
  if (thrown instanceof NitkaError) return { error: thrown, trouble: message, refused: false }
  if (code === lockedState) return { error: locked(thrown), trouble: undefined, refused: true }
  // By its class, not by its code: EPIPE has the form of a state of Postgres.
  if (!(thrown instanceof postgres.PostgresError) || passing.test(code)) {
    const text = 'the database does not answer; whether it was done is unknown'
    return { error: new NitkaError('unavailable', text, { cause: thrown }), trouble: message, refused: false }
  }
  const text = `the database refused a statement: ${message}`
  return { error: new NitkaError('internal', text, { cause: thrown }), trouble: undefined, refused: false }
}

/** Whether the statement was never sent, because no connection could be made: Postgres is starting, say, or not there. */
export function isUnsent(thrown: unknown): boolean {
  return unsent.has(codeOf(thrown))
}

/** Whether the server takes no writes: it is a standby, as what was the primary before a failover may be. */
export function isReadOnly(thrown: unknown): boolean {
  return codeOf(thrown) === '25006'
}

export function locked(cause?: unknown): NitkaError {
  return new NitkaError('unavailable', 'a transaction in the database keeps this locked; nothing was done', { cause })
}

/** Whether what was thrown to the caller is that something was locked. */
export function isLocked(error: unknown): boolean {
  return error instanceof NitkaError && codeOf(error.cause) === lockedState
}

/** The state of Postgres, or the code of a failed call of the system. */
export function codeOf(thrown: unknown): string {
  const { code } = (thrown ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

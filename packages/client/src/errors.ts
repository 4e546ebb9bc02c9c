// One class for everything that goes wrong, with a code to read. Texts are for people.

import type { ErrorCode as ServerErrorCode } from '@nitka/protocol'

/**
 * The server's codes, and the client's own:
 * - `aborted`: the caller's signal ended the wait; `cause` is its reason.
 * - `closed`: the client was closed, or the server said that there is no coming back.
 * - `lost`: the connection was lost before the answer to something that cannot be repeated; whether it was done is unknown.
 */
export type ErrorCode = ServerErrorCode | 'aborted' | 'closed' | 'lost'

/** What the server tells of an error. */
export interface RemoteError {
  readonly message: string
  readonly data?: { readonly code?: string; readonly retry?: string; readonly field?: string }
}

/** The one error of this library. */
export class NitkaError extends Error {
  /** Stable; read this. */
  readonly code: ErrorCode
  /** The field at fault, when one is. */
  readonly field: string | undefined
  /** Whether the same may go well later. */
  readonly retry: boolean

  constructor(code: ErrorCode, message: string, options: ErrorOptions & { field?: string; retry?: boolean } = {}) {
    super(message, options)
    this.name = 'NitkaError'
    this.code = code
    this.field = options.field
    this.retry = options.retry ?? false
  }

  /** The error that the server answered with. */
  static from({ message, data = {} }: RemoteError): NitkaError {
    const { code = 'internal', retry, field } = data
    return new NitkaError(code as ErrorCode, message, {
      retry: retry === 'later',
      ...(field === undefined ? {} : { field }),
    })
  }
}

export function aborted(signal: AbortSignal): NitkaError {
  return new NitkaError('aborted', 'the wait was called off', { cause: signal.reason })
}

/** What `promise` gives, unless the signal fires before; then `calledOff` runs. */
export function unlessAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
  calledOff?: () => void,
): Promise<Value> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(aborted(signal))
      calledOff?.()
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
    const forget = (): void => signal.removeEventListener('abort', abort)
    promise.then(resolve, reject).then(forget)
  })
}

/** What a thrown value says, for a reason that is told to others. */
export function reasonOf(thrown: unknown): string {
  return textOf(thrown).slice(0, 1_000) || 'failed without a reason'
}

/** Anything may be thrown, also what has no text. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message || thrown.name : thrown)
  } catch {
    return ''
  }
}

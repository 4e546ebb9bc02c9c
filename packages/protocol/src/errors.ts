// Every refusal that a client can see, in one table. Codes are stable: adding one is a minor release, renaming one a
// major. Dialects turn a code into its wire form; nobody else reads the numbers, and nobody reads message texts.

export const errors = {
  invalid: { http: 400, rpc: -32602, retry: 'never' },
  unauthenticated: { http: 401, rpc: -32001, retry: 'never' },
  forbidden: { http: 403, rpc: -32003, retry: 'never' },
  'not-found': { http: 404, rpc: -32004, retry: 'never' },
  conflict: { http: 409, rpc: -32009, retry: 'never' },
  busy: { http: 409, rpc: -32010, retry: 'later' },
  'too-large': { http: 413, rpc: -32013, retry: 'never' },
  failed: { http: 422, rpc: -32022, retry: 'never' },
  overloaded: { http: 429, rpc: -32029, retry: 'later' },
  internal: { http: 500, rpc: -32603, retry: 'later' },
  unavailable: { http: 503, rpc: -32050, retry: 'later' },
  timeout: { http: 504, rpc: -32054, retry: 'later' },
  draining: { http: 503, rpc: -32051, retry: 'later' },
  damaged: { http: 500, rpc: -32052, retry: 'never' },
} as const satisfies Record<string, { http: number; rpc: number; retry: 'never' | 'later' }>

/** What went wrong, stable: a name from `errors`. */
export type ErrorCode = keyof typeof errors

/** A refusal or a passing failure, told to the caller. `message` names what was wrong and what is allowed. */
export class NitkaError extends Error {
  readonly code: ErrorCode
  /** The field at fault, as a path (`payload.user`), when one field is. */
  readonly field: string | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions & { field?: string } = {}) {
    super(message, options)
    this.name = 'NitkaError'
    this.code = code
    this.field = options.field
  }
}

/** What any thrown value is to a client: a NitkaError is itself, everything else is `internal` and says nothing more. */
export function toNitkaError(thrown: unknown): NitkaError {
  if (thrown instanceof NitkaError) return thrown
  return new NitkaError('internal', 'internal error', { cause: thrown })
}

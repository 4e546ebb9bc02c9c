// An error as another node tells it.

import { type ErrorCode, errors, NitkaError } from '@nitka/protocol'

export interface ToldError {
  readonly code: ErrorCode
  readonly message: string
  readonly field?: string
}

/** A code that only a newer node knows is `internal`: nothing here could say what it means. */
export function readToldError({ code, message, field }: ToldError): NitkaError {
  const known = Object.hasOwn(errors, code) ? code : 'internal'
  return new NitkaError(known, message, field === undefined ? {} : { field })
}

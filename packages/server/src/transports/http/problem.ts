// Refusals over HTTP: problem documents (RFC 9457) with the stable code of the error table.

import { errors, type NitkaError } from '@nitka/protocol'

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly field?: string
}

export function problemOf(error: NitkaError): Problem {
  return {
    type: `urn:nitka:error:${error.code}`,
    title: error.code.replaceAll('-', ' '),
    status: errors[error.code].http,
    code: error.code,
    detail: error.message,
    ...(error.field === undefined ? {} : { field: error.field }),
  }
}

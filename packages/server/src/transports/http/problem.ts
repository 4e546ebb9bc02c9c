// Refusals over HTTP: problem documents (RFC 9457) with the stable code of the error table.

import type { Socket } from 'node:net'
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

/** The headers that go with it: when to come back, how to say who one is (RFC 9110 demands that of every 401). */
export function problemHeaders({ code }: NitkaError): Readonly<Record<string, string>> {
  return {
    ...(errors[code].retry === 'later' ? { 'Retry-After': '1' } : {}),
    ...(code === 'unauthenticated' ? { 'WWW-Authenticate': 'Bearer' } : {}),
  }
}

/** Answers on a bare socket, where there is no response to answer with, and closes it, whether or not the peer does. */
export function refuseSocket(
  socket: Socket,
  error: NitkaError,
  more: { status?: number; headers?: object } = {},
): void {
  if (socket.destroyed) return
  const { status = errors[error.code].http, headers = {} } = more
  const body = JSON.stringify({ ...problemOf(error), status })
  const lines = [
    `HTTP/1.1 ${status} ${error.code}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...Object.entries({ ...problemHeaders(error), ...headers }).map(([name, value]) => `${name}: ${value}`),
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
  socket.on('finish', () => socket.destroySoon())
}

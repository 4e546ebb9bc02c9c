// The TCP port: requests in the plain dialect, and everything in the rpc dialect, told apart value by value.

import { isObject, limits, type NitkaError, parseJson, toNitkaError } from '@nitka/protocol'
import type { LineDialect, LineEndpoint } from '../sessions/dialect.ts'
import type { Session } from '../sessions/session.ts'
import type { LineFraming } from '../sessions/wire.ts'
import { PlainRequests } from './plain/requests.ts'
import type { RpcServices } from './rpc/context.ts'
import { isCall, Rpc } from './rpc/rpc.ts'

export function tcpEndpoint(services: RpcServices): LineEndpoint {
  const identity = services.authenticator.required === true ? 'later' : 'optional'
  return { path: 'tcp', identity, open: (session) => new TcpDialect(session, services) }
}

class TcpDialect implements LineDialect {
  readonly #session: Session
  readonly #services: RpcServices
  readonly #plain: PlainRequests
  #rpc: Rpc | undefined

  constructor(session: Session, services: RpcServices) {
    this.#session = session
    this.#services = services
    this.#plain = new PlainRequests(session, services)
  }

  receiveLine(text: string, bytes: number, framing: LineFraming): void {
    let value: unknown
    try {
      value = parseJson(text, limits.listKeys)
    } catch (thrown) {
      const error = toNitkaError(thrown)
      // Of a client that would say the same again on its next connection: it is told which call it was.
      if (isCall(text)) return this.#speakRpc().refuseText(text, error)
      // Whatever speaks another protocol, a web page for one, gets no second try.
      this.refuseLine(error, framing)
      return this.#session.close('policy')
    }
    if (!isObject(value) || value.jsonrpc !== '2.0') return this.#plain.receiveValue(value, bytes, framing)
    this.#speakRpc().receiveValue(value, bytes)
  }

  refuseLine(error: NitkaError, framing: LineFraming): void {
    if (this.#rpc === undefined) this.#plain.refuse(error, framing)
    else this.#rpc.refuse(error)
  }

  leaving(): void {
    this.#plain.leaving()
  }

  draining(afterMs: number): void {
    this.#rpc?.draining(afterMs)
  }

  closed(): void {
    this.#plain.closed()
    this.#rpc?.closed()
  }

  #speakRpc(): Rpc {
    this.#rpc ??= new Rpc(this.#session, this.#services)
    return this.#rpc
  }
}

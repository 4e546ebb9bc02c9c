// `/ws`: direct chat in the plain dialect, and everything in the rpc dialect, told apart by the first rpc value. A
// client that says at the upgrade that it will speak rpc is never sent anything plain.

import { isObject, limits, type NitkaError, parseJson } from '@nitka/protocol'
import type { Dialect, Endpoint } from '../sessions/dialect.ts'
import type { Session } from '../sessions/session.ts'
import { isHeartbeat } from './heartbeat.ts'
import { PlainDirect } from './plain/direct.ts'
import type { RpcServices } from './rpc/context.ts'
import { Rpc } from './rpc/rpc.ts'

export function chatEndpoint(services: RpcServices): Endpoint {
  return {
    path: '/ws',
    identity: 'later',
    open: (session, { rpc }) => (rpc || !session.known ? new Rpc(session, services) : new Chat(session, services)),
  }
}

/** Plain until the client speaks rpc. */
class Chat implements Dialect {
  readonly #session: Session
  readonly #services: RpcServices
  readonly #plain: PlainDirect
  #rpc: Rpc | undefined

  constructor(session: Session, services: RpcServices) {
    this.#session = session
    this.#services = services
    this.#plain = new PlainDirect(session, services.direct, services.authorize, (error) =>
      services.onInternal(error, 'direct'),
    )
  }

  receiveText(text: Buffer): void {
    if (isHeartbeat(text)) return this.#session.reply('heartbeat')
    // Most text is a message: it is parsed once, here, for whichever dialect it is.
    let value: unknown
    try {
      value = parseJson(text.toString(), this.#rpc === undefined ? limits.jsonKeys : limits.listKeys)
    } catch {
      return (this.#rpc ?? this.#plain).receiveText(text)
    }
    const rpc = isObject(value) && value.jsonrpc === '2.0'
    if (!rpc) return this.#plain.receiveValue(value, text.length)
    if (this.#rpc === undefined) {
      this.#plain.stopDelivering()
      this.#rpc = new Rpc(this.#session, this.#services)
    }
    this.#rpc.receiveValue(value, text.length)
  }

  receiveBinary(data: Buffer): void {
    ;(this.#rpc ?? this.#plain).receiveBinary(data)
  }

  refuse(error: NitkaError): void {
    ;(this.#rpc ?? this.#plain).refuse(error)
  }

  draining(afterMs: number): void {
    this.#rpc?.draining(afterMs)
  }

  closed(): void {
    this.#plain.closed()
    this.#rpc?.closed()
  }
}

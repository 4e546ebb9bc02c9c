// How the bytes of one connection are read. Implemented by `dialects/`; a session owns one.

import type { NitkaError } from '@nitka/protocol'
import type { Session } from './session.ts'

export interface Dialect {
  /** One text message. Must not throw. `text` may be a view of a read buffer: what is kept is copied or parsed. */
  receiveText(text: Buffer): void
  /** One binary message. */
  receiveBinary(data: Buffer): void
  /** A message over the size limit that the transport still took whole: `bytes` long. */
  refuse(error: NitkaError): void
  /** The server drains: the client should be gone in `afterMs`. */
  draining(afterMs: number): void
  /** The connection ended; nothing can be written. */
  closed(): void
}

/** Who asks, as far as it is known before the first message. */
export interface Caller {
  /** Undefined: not known yet; the first message must say. */
  readonly user: string | undefined
  readonly device: string | undefined
}

/** A path on which connections are taken. */
export interface Endpoint {
  /** `/rooms/:room/ws`: segments, those with a colon are parameters. */
  readonly path: string
  /** `required`: refused without a user. `later`: a first message may bring it. `optional`: nobody in particular is fine. */
  readonly identity: 'required' | 'later' | 'optional'
  /** Refuses before the upgrade, by throwing a NitkaError. */
  admit?(caller: Caller, request: EndpointRequest): Promise<void>
  open(session: Session, request: EndpointRequest): Dialect
}

export interface EndpointRequest {
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** True: the client said at the upgrade that it will speak rpc. */
  readonly rpc: boolean
}

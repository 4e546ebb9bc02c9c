// How the bytes of one connection are read. Implemented by `dialects/`; a session owns one.

import type { NitkaError } from '@nitka/protocol'
import type { Identity } from './auth.ts'
import type { Session } from './session.ts'
import type { LineFraming } from './wire.ts'

/** What a session tells its dialect. */
export interface Speaker {
  /** The server drains: the client should be gone in `afterMs`. */
  draining(afterMs: number): void
  /** The connection ended; nothing can be written. */
  closed(): void
}

export interface Dialect extends Speaker {
  /** One text message. Must not throw. `text` may be a view of a read buffer: what is kept is copied or parsed. */
  receiveText(text: Buffer): void
  /** One binary message. */
  receiveBinary(data: Buffer): void
  /** A message over the size limit that the transport still took whole: `bytes` long. */
  refuse(error: NitkaError): void
}

/** A dialect of values that are each ended in a way of their own. */
export interface LineDialect extends Speaker {
  /** One value, which came in so many bytes. Must not throw. Answers to it go in its framing. */
  receiveLine(text: string, bytes: number, framing: LineFraming): void
  /** A value that the transport did not take. */
  refuseLine(error: NitkaError, framing: LineFraming): void
  /** The peer will send nothing more: what waits for its turn is dropped, what runs may still be answered. */
  leaving(): void
}

/** Where connections are taken that say nothing before their first value. */
export interface LineEndpoint extends Omit<Endpoint, 'open'> {
  open(session: Session): LineDialect
}

/** Who asks, as far as it is known before the first message. */
export interface Caller {
  /** A stranger while it is not known: the first message must say. */
  readonly who: Identity
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

/** A path of streams that only the server writes to. */
export interface StreamEndpoint extends Omit<Endpoint, 'open'> {
  readonly doc: string
  /** The schema of its query, for the documents: `admit` checks. */
  readonly query: object
  open(session: Session, request: EndpointRequest): Speaker
}

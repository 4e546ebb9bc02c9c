// What the line to the server is told, and tells.

import type { OnError } from './emitter.ts'
import type { NitkaError } from './errors.ts'
import type { TokenSource } from './tokens.ts'

/** How the connection stands; `closed` is for good. */
export type State = 'connecting' | 'live' | 'waiting' | 'closed'

/** The state from now on, and why. */
export interface StateChange {
  readonly state: State
  /** Why it is not live; absent when the application closed it. */
  readonly error?: NitkaError
  /** `waiting`: when the next attempt begins, in milliseconds. */
  readonly retryInMs?: number
}

/** What `session.hello` answers. */
export interface Hello {
  /** Of this connection. */
  readonly session: string
  /** Who one is; empty for nobody in particular. */
  readonly user: string
  readonly version: number
  /** The server process. */
  readonly node: string
  /** `disk`, or `relaxed`: what is confirmed may be lost with the machine. */
  readonly durability: string
  readonly pingMs: number
  readonly payloadBytesMax: number
  /** Of a whole call; larger ones are refused here. */
  readonly callBytesMax: number
  /** How long the token is good for, when it ends. */
  readonly expiresInMs?: number
}

export interface LineOptions {
  readonly token: TokenSource | undefined
  readonly device: string | undefined
  /** The first wait is a part of this, drawn by chance, and each later one of twice as much. */
  readonly retryBaseMs: number
  readonly retryMaxMs: number
  /** How long opening and greeting may take. */
  readonly handshakeMs: number
  /** Silence after which the server is asked whether it lives; undefined: what the server says. */
  readonly pingMs: number | undefined
  /** How long it may take to say so. */
  readonly pongMs: number
  readonly callsMax: number
  readonly charactersMax: number
  readonly onError: OnError
}

/** What `nitka.on` tells. */
export interface LineEvents {
  state: StateChange
  /** The server stops and asks to come back after that many milliseconds. */
  draining: { readonly afterMs: number }
}

// What the calls of one connection work with, and what they hold until it ends.

import type { CallName } from '@nitka/protocol/schemas'
import type { Direct, DirectJoined } from '../../direct/direct.ts'
import type { LogStore, MissingRange } from '../../log/log-store.ts'
import type { BookingService } from '../../pools/booking-service.ts'
import type { PoolService } from '../../pools/pool-service.ts'
import type { Relay, RelayMember } from '../../relay/relay.ts'
import type { Requests } from '../../requests/requests.ts'
import type { RoomJoined } from '../../rooms/guest.ts'
import type { Rooms } from '../../rooms/rooms.ts'
import type { Authenticator, Authorize, Permits } from '../../sessions/auth.ts'
import type { Registry } from '../../sessions/registry.ts'
import type { Session } from '../../sessions/session.ts'
import type { Tasks } from '../../tasks/tasks.ts'
import type { Work } from '../../tasks/views.ts'
import type { OwnRequests } from './own-requests.ts'

export interface RpcServices {
  readonly relay: Relay
  readonly direct: Direct
  readonly rooms: Rooms
  readonly tasks: Tasks
  readonly requests: Requests
  readonly pools: PoolService
  readonly bookings: BookingService
  readonly store: LogStore
  readonly registry: Registry
  readonly authenticator: Authenticator
  readonly authorize: Authorize
  readonly node: string
  readonly durability: string
  readonly limits: {
    readonly subscriptionsMax: number
    readonly payloadBytesMax: number
    readonly pingMs: number
    /** Of one message, by the way that it comes. */
    readonly messageBytesMax: { readonly websocket: number; readonly tcp: number }
  }
  readonly now: () => number
  readonly onInternal: (error: unknown, where: string) => void
}

export interface Joining {
  readonly room: string
  /** The room was left, or the user removed, before the join was through. */
  left: boolean
}

/** One connection that speaks rpc. */
export interface RpcContext {
  readonly session: Session
  readonly services: RpcServices
  readonly permits: Permits
  readonly relays: Map<string, RelayMember>
  readonly rooms: Map<string, RoomJoined>
  /** Joins of rooms that are not answered yet. */
  readonly joining: Set<Joining>
  direct: DirectJoined | undefined
  /** By queue. */
  readonly works: Map<string, Work>
  /** Requests of its own, and types that it answers. */
  readonly asking: OwnRequests
  /** Begins what a known user hears without asking. */
  welcome(): void
  /** A subscription ended because the store does not answer. */
  failed(error: unknown): void
  /** Tells that entries of a followed log cannot be served. */
  missing(log: string, ranges: readonly MissingRange[]): void
}

/** JSON text that a handler built itself. */
export class RawJson {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A result with something to do once its answer is queued. */
export class Answer {
  readonly result: unknown
  readonly after: () => void

  constructor(result: unknown, after: () => void) {
    this.result = result
    this.after = after
  }
}

/** `params` were checked against the schema of the call. */
export type Handler = (context: RpcContext, params: never) => unknown

export type Handlers<Prefix extends string> = {
  readonly [Name in Extract<CallName, `${Prefix}.${string}`>]: Handler
}

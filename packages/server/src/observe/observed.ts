// What the series are read from, and what a series is.

import type { Direct } from '../direct/direct.ts'
import type { Undelivered } from '../direct/undelivered.ts'
import type { Engine } from '../engines/engine.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Log } from '../log/log.ts'
import type { BookingService } from '../pools/booking-service.ts'
import type { PoolService } from '../pools/pool-service.ts'
import type { Relay } from '../relay/relay.ts'
import type { Requests } from '../requests/requests.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Dam } from '../sessions/dam.ts'
import type { Heartbeat } from '../sessions/heartbeat.ts'
import type { JwtAuthenticator } from '../sessions/jwt/jwt.ts'
import type { LoginGuard } from '../sessions/login-guard.ts'
import type { Registry } from '../sessions/registry.ts'
import type { Tickets } from '../sessions/tickets.ts'
import type { Tasks } from '../tasks/tasks.ts'

export interface Observed {
  readonly registry: Registry
  readonly heartbeat: Heartbeat
  readonly dam: Dam
  readonly pulse: Pulse
  readonly relay: Relay
  readonly direct: Direct
  readonly rooms: Rooms
  readonly tasks: Tasks
  readonly requests: Requests
  readonly pools: PoolService
  readonly bookings: BookingService
  readonly log: Log
  readonly engine: Engine
  readonly undelivered: Undelivered | undefined
  /** Undefined without tokens. */
  readonly jwt: JwtAuthenticator | undefined
  readonly tickets: Tickets
  readonly load: { readonly bytes: number; readonly refused: number }
  /** Undefined: nobody is asked. */
  readonly logins: LoginGuard | undefined
  /** Messages and bytes taken from connections. */
  readonly received: { messages: number; bytes: number }
}

export type Values = (seen: Observed) => number | Readonly<Record<string, number>>

export interface Series {
  readonly type: 'counter' | 'gauge'
  readonly help: string
  /** The label that a record's keys go under. */
  readonly label?: string
  readonly read: Values
}

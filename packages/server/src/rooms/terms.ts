// What rooms are made of, and within which limits.

import type { IdSource } from '@nitka/protocol'
import type { Bus } from '../bus.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Log } from '../log/log.ts'
import type { Ownership } from '../nodes/ownership.ts'
import type { Clock } from '../world.ts'
import type { PresenceStore } from './presence-store.ts'
import type { RoomDirectory } from './room-directory.ts'

export interface RoomsOptions {
  /** 0: no limit, for each. */
  readonly payloadBytesMax: number
  readonly roomsPerUserMax: number
  readonly membersPerRoomMax: number
  /** Of what clients create. */
  readonly roomsPerHourMax: number
  /** How long who lost their last connection still counts as present. 0: not at all. */
  readonly presenceGraceMs: number
  /** How often the store is asked what other nodes did. 0: there are none. */
  readonly sweepMs: number
}

export interface RoomsParts {
  readonly log: Log
  readonly directory: RoomDirectory
  readonly clock: Clock
  readonly ids: IdSource
  readonly pulse: Pulse
  readonly bus: Bus
  /** Both undefined where there are no other nodes. */
  readonly presence: PresenceStore | undefined
  readonly ownership: Ownership | undefined
}

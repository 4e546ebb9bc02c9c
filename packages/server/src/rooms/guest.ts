// What a connection brings into a room, and what it gets when it joins.

import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { LogMessage } from '../log/feed.ts'
import type { Joined } from '../log/log.ts'
import type { MissingRange } from '../log/log-store.ts'
import type { RoomEvent } from './events.ts'
import type { Room } from './room-directory.ts'

export interface Guest {
  readonly user: string
  readonly recipient: Recipient
  readonly entries: Encoder<LogMessage>
  /** Undefined: this connection understands no events. */
  readonly events?: Encoder<RoomEvent>
  /** The user is no member any more; the place is closed. */
  readonly removed: () => void
  /** The store does not answer; the place is closed. */
  readonly failed: (error: unknown) => void
  /** Entries were passed over because the store cannot serve them. */
  readonly missing?: (ranges: readonly MissingRange[]) => void
}

export interface RoomJoined extends Joined {
  readonly room: Room
  readonly presence: readonly string[]
  readonly unread: number
  readonly read: number
  /** Leaves the room with this connection; the membership stays. May be called twice. @param lost the connection broke */
  readonly close: (lost?: boolean) => void
}

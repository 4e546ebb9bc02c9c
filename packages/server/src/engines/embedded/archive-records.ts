// What a store holds, record by record, as it is carried to another store: more than the ports tell, since offsets, places
// in queues and what is remembered of client ids must come out as they went in.

import type { Cursor, Entry, LogName, LogState } from '../../log/log-store.ts'
import type { PoolRecord } from '../../pools/pool-store.ts'
import type { Member, Room } from '../../rooms/room-directory.ts'
import type { NewTask, QueueSettings } from '../../tasks/task-store.ts'
import type { Status } from './task-records.ts'

interface RoomRecord extends Room {
  readonly type: 'room'
}

interface MemberRecord extends Member {
  readonly type: 'member'
  readonly room: string
}

/** Before the entries of the log. */
interface LogRecord extends Omit<LogState, 'epoch'> {
  readonly type: 'log'
  readonly log: LogName
}

interface EntryRecord extends Entry {
  readonly type: 'entry'
  readonly log: LogName
}

/** Entries that the store lost. */
interface HoleRecord {
  readonly type: 'hole'
  readonly log: LogName
  readonly from: number
  readonly to: number
}

interface CursorRecord extends Cursor {
  readonly type: 'cursor'
  readonly log: LogName
}

/** What is remembered of something that was sent once, or of a task that was added once. */
export interface Remembered {
  /** When: its window begins then. Wall time. */
  readonly stored: number
  /** Of the payload, 32 characters of hexadecimal. */
  readonly hash: string
  readonly time: number
  readonly id: string
  readonly offsets: readonly number[]
}

interface SentRecord extends Remembered {
  readonly type: 'sent'
  readonly log: LogName
  readonly sender: string
  readonly clientId: string
}

interface OnceRecord extends Remembered {
  readonly type: 'once'
  readonly queue: string
  readonly key: string
}

interface QueueRecord extends QueueSettings {
  readonly type: 'queue'
  readonly queue: string
  /** Tasks that ever came, and those that were done. */
  readonly arrivals: number
  readonly done: number
}

interface TaskRecord {
  readonly type: 'task'
  readonly task: NewTask
  /** Its place among the arrivals of its queue. */
  readonly arrival: number
  /** Absent: ready, never tried. */
  readonly status?: Status
}

interface PoolPart extends PoolRecord {
  readonly type: 'pool'
  readonly kind: 'resource' | 'booking'
}

export type ArchiveRecord =
  | RoomRecord
  | MemberRecord
  | LogRecord
  | EntryRecord
  | HoleRecord
  | CursorRecord
  | SentRecord
  | QueueRecord
  | TaskRecord
  | OnceRecord
  | PoolPart

/** The order in which they come; a log is followed by its entries and holes. */
export const archiveOrder = ['room', 'member', 'log', 'cursor', 'sent', 'queue', 'task', 'once', 'pool'] as const

export type ArchiveSection = (typeof archiveOrder)[number]

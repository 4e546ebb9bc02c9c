// What a store holds, all of it, section by section: for a move to another engine, after which nobody can tell the
// difference. More than an export carries: leases, holds and done tasks come along.

import type { Cursor, Entry, LogName, LogState } from '../../log/log-store.ts'
import type { PoolRecord } from '../../pools/pool-store.ts'
import type { Member, Room } from '../../rooms/room-directory.ts'
import type { Attempt, NewTask, QueueSettings } from '../../tasks/task-store.ts'
import type { Remembered } from './archive-records.ts'
import type { Status } from './task-records.ts'

/** A lease that runs. Its end is not told: it gets its full length again wherever it goes. */
export interface WholeLease {
  readonly attempt: number
  readonly token: string
  readonly worker: string
  /** Wall time. */
  readonly started: number
  readonly leaseMs: number
  readonly failures: number
  /** Attempts that ended. */
  readonly history: readonly Attempt[]
  readonly progress?: string
}

export interface WholeTask {
  readonly task: NewTask
  /** Its place among the arrivals of its queue. */
  readonly arrival: number
  /** Of its priority, as it was added. */
  readonly rank: number
  /** Neither this nor a lease: ready, never tried. */
  readonly status?: Status
  readonly lease?: WholeLease
}

/** By section. */
export interface WholeRecords {
  room: Room & { readonly members: number }
  member: Member & { readonly room: string }
  log: Omit<LogState, 'epoch'> & { readonly log: LogName }
  entry: Entry & { readonly log: LogName }
  cursor: Cursor & { readonly log: LogName }
  sent: Remembered & { readonly log: LogName; readonly sender: string; readonly clientId: string }
  queue: QueueSettings & { readonly queue: string }
  /** Tasks of a queue that were ever done. */
  done: { readonly queue: string; readonly done: number }
  task: WholeTask
  once: Remembered & { readonly queue: string; readonly key: string }
  pool: PoolRecord
}

export type WholeSection = keyof WholeRecords

/** The order in which they go: entries after their logs. */
export const wholeOrder = [
  'room',
  'member',
  'log',
  'entry',
  'cursor',
  'sent',
  'queue',
  'done',
  'task',
  'once',
  'pool',
] as const satisfies readonly WholeSection[]

/** A record, and where it stands in its section: reading can go on after that. */
export type Placed<Section extends WholeSection> = readonly [at: Buffer, record: WholeRecords[Section]]

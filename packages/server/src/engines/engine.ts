// What the composition root gets from either engine: the ports that the services declared, and the engine's health.

import type { Bus } from '../bus.ts'
import type { Append, Appended, LogName, LogStore } from '../log/log-store.ts'
import type { Ownership } from '../nodes/ownership.ts'
import type { PoolStore } from '../pools/pool-store.ts'
import type { PresenceStore } from '../rooms/presence-store.ts'
import type { RoomDirectory } from '../rooms/room-directory.ts'
import type { Added, NewTask, TaskStore } from '../tasks/task-store.ts'

/** How much a confirmation is worth. `disk`: synced here. `relaxed`: opted out of, may be lost with the machine. */
export type Durability = 'disk' | 'replicated' | 'relaxed'

/** Plain numbers, read when metrics are scraped. */
export interface EngineCounters {
  /** Commits since start. */
  commits: number
  /** Entries appended since start. */
  appends: number
  /** Appends answered by an earlier one with the same client id. */
  repeats: number
  /** Store operations that failed. */
  failures: number
  /** Values that failed their checksum, and records found missing. */
  damaged: number
  /** Bytes waiting to be committed, or being committed, with what each write costs in memory. */
  queuedBytes: number
}

/** What became of appends and tasks that were stored in one step. */
export interface Together {
  readonly appended: readonly Appended[]
  readonly added: readonly Added[]
}

/** A store and a bus: everything that a server keeps, and how it hears of other nodes. */
export interface Engine {
  readonly logs: LogStore
  readonly rooms: RoomDirectory
  readonly tasks: TaskStore
  readonly pools: PoolStore
  readonly bus: Bus
  /** Who is where, on all nodes. Undefined: there is one node. */
  readonly presence: PresenceStore | undefined
  /** Which node has what only one may have. Undefined: there is one node, and it has everything. */
  readonly ownership: Ownership | undefined
  /** Appends and adds: all, or none. Resolves when durable. Errors as of both ports. */
  storeTogether(appends: readonly Append[], tasks: readonly NewTask[]): Promise<Together>
  readonly durability: Durability
  readonly counters: EngineCounters
  /** Where others use the store: for how long the oldest transaction there is open, milliseconds, as of the last minute. */
  readonly oldestTransactionMs?: number
  /** Told the duration of each commit in milliseconds, for the histogram. */
  onCommit: ((ms: number) => void) | undefined
  /** Told when more waits to be stored than is good, and when no more: whoever sends should be held back meanwhile. */
  onCrowded: ((crowded: boolean) => void) | undefined
  /** Told once when the engine can no longer be trusted: the process is to stop. */
  onFailed: ((cause: Error) => void) | undefined
  /** Told when what other nodes wrote may not have been heard of: ask the store. */
  onGap: (() => void) | undefined
  /** Told of what others than nodes have stored: the log, and where it stands at least. */
  onStored: ((log: LogName, head: number) => void) | undefined
  /** Why it cannot take writes now, in one line; undefined while it can. */
  unhealthy(): string | undefined
  /** Ends what is under way, then closes. Nothing is acknowledged after. May be called twice. */
  close(): Promise<void>
}

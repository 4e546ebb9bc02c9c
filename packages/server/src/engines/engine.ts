// What the composition root gets from either engine: the ports that the services declared, and the engine's health.

import type { Bus } from '../bus.ts'
import type { Append, Appended, LogStore } from '../log/log-store.ts'
import type { PoolStore } from '../pools/pool-store.ts'
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
  /** Bytes waiting to be committed. */
  queuedBytes: number
}

export interface Together {
  readonly appended: readonly Appended[]
  readonly added: readonly Added[]
}

export interface Engine {
  readonly logs: LogStore
  readonly rooms: RoomDirectory
  readonly tasks: TaskStore
  readonly pools: PoolStore
  readonly bus: Bus
  /** Appends and adds: all, or none. Resolves when durable. Errors as of both ports. */
  storeTogether(appends: readonly Append[], tasks: readonly NewTask[]): Promise<Together>
  readonly durability: Durability
  readonly counters: EngineCounters
  /** Told the duration of each commit in milliseconds, for the histogram. */
  onCommit: ((ms: number) => void) | undefined
  /** Told once when the engine can no longer be trusted: the process is to stop. */
  onFailed: ((cause: Error) => void) | undefined
  /** Why it cannot take writes now, in one line; undefined while it can. */
  unhealthy(): string | undefined
  /** Ends what is under way, then closes. Nothing is acknowledged after. May be called twice. */
  close(): Promise<void>
}

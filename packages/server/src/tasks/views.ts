// What is told of tasks, queues and workers.

import type { QueueCounts } from './task-store.ts'

/** A task that is not tried again by itself. */
export interface DeadLetter {
  /** Its id. */
  readonly task: string
  readonly queue: string
  /** How many attempts there were in all, 0 when it was buried before the first. */
  readonly attempts: number
  /** How the last one came out. */
  readonly how: 'failed' | 'expired' | 'released' | 'buried'
  /** What the worker, or whoever buried it, said. */
  readonly reason: string | undefined
}

/** A task as it was added, or the one that its key named before. */
export interface AddedTask {
  readonly id: string
  readonly queue: string
  readonly repeated: boolean
}

/** How a queue stands, and who works on it here. */
export interface QueueView extends QueueCounts {
  readonly workers: number
  readonly free: number
}

/** A connected worker. */
export interface Work {
  readonly worker: string
  /** Whether it has an unsettled lease of the task. */
  has(task: string): boolean
  /** The connection ended, or wants no more. */
  close(): void
}

// Rows of tasks as the port has them.

import type { Attempt, Backoff, Ended, Lease, NewTask, Task, TaskState } from '../../tasks/task-store.ts'

/** By their numbers in the tables. */
export const states = ['ready', 'delayed', 'leased', 'done', 'dead'] as const satisfies readonly TaskState[]

/** A task as it was added. */
interface NewTaskRow {
  readonly id: string
  readonly queue: string
  readonly payload: string
  readonly priority: number
  readonly time: number
  readonly delay_ms: number
  readonly key: string | null
  /** Its group, or nothing. */
  readonly lane: string
  readonly max_attempts: number
  readonly lease_ms: number
  readonly backoff_kind: Backoff['kind']
  readonly backoff_ms: number
  readonly backoff_max: number
  readonly room: string | null
}

export interface LeaseRow extends NewTaskRow {
  /** From 1: which call of the statement it is for. */
  readonly call: number
  readonly attempt: number
  readonly token: string
  readonly worker: string
  readonly until: number
  readonly now: number
}

export interface TaskRow extends NewTaskRow {
  readonly state: number
  readonly attempt: number
  readonly failures: number
  readonly until: number | null
  readonly worker: string | null
  readonly started: number | null
  readonly progress: string | null
  /** JSON. */
  readonly history: string
}

/** A lease that a function ended. */
export interface EndedRow {
  readonly id: string
  readonly queue: string
  readonly worker: string
  readonly attempt: number
  readonly token: string
  /** 1: the task is a dead letter now. */
  readonly dead: number
}

/** What `taskOf` needs, of the table as `t`. */
export const taskColumns = `t.id, t.queue, t.payload, t.priority, t.time, t.delay_ms, t.key, t.lane, t.max_attempts, t.lease_ms,
  t.backoff_kind, t.backoff_ms, t.backoff_max, t.room, t.state, t.attempt, t.failures, t."until", t.worker, t.started,
  t.progress, t.history::text as history`

function newTaskOf(row: NewTaskRow): NewTask {
  const { id, queue, payload, priority, time, key, lane, room } = row
  return {
    ...{
      id,
      queue,
      payload,
      priority,
      time,
      delayMs: row.delay_ms,
      maxAttempts: row.max_attempts,
      leaseMs: row.lease_ms,
    },
    backoff: { kind: row.backoff_kind, ms: row.backoff_ms, maxMs: row.backoff_max },
    ...(key === null ? undefined : { key }),
    ...(lane === '' ? undefined : { group: lane }),
    ...(room === null ? undefined : { room }),
  }
}

export function leaseOf(row: LeaseRow): Lease {
  const { attempt, token, worker, until } = row
  return { task: newTaskOf(row), attempt, token, worker, deadline: until }
}

export function taskOf(row: TaskRow): Task {
  const { attempt, failures, until, worker, started, progress } = row
  const state = states[row.state] ?? 'ready'
  const history = JSON.parse(row.history) as readonly Attempt[]
  const running = { number: attempt, worker: worker ?? '', started: started ?? 0 }
  return {
    ...newTaskOf(row),
    ...{ state, failures, attempts: state === 'leased' ? [...history, running] : history },
    ...(until === null || state === 'done' ? undefined : { until }),
    ...(progress === null ? undefined : { progress }),
  }
}

/** @param lost whether its worker is to be told */
export function endedOf(row: EndedRow, how: Ended['how'], lost: boolean, reason?: string): Ended {
  const { id, queue, worker, attempt, token, dead } = row
  return {
    ...{ id, queue, worker, attempt, token, how, lost, dead: dead === 1 },
    ...(reason === undefined ? undefined : { reason }),
  }
}

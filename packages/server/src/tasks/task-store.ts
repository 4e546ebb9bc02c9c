// The port that `tasks/` needs of an engine: queues of tasks, leases with attempt tokens, dead letters. Every call is
// atomic, but those that say that they work in pieces. Time that decides leases is the store's own and only goes forward.
// Conformance: engines/conformance/task-model.ts, by task-machine.ts.

/** Where a task is on its way. */
export type TaskState = 'ready' | 'delayed' | 'leased' | 'done' | 'dead'

/** How long a failed task waits: `ms`, doubled with every further failure when exponential (and up to half more), at most `maxMs`. */
export interface Backoff {
  readonly kind: 'fixed' | 'exponential'
  readonly ms: number
  readonly maxMs: number
}

/** A task that is to be added, with everything decided. */
export interface NewTask {
  /** An xid: 20 characters, larger for later tasks. */
  readonly id: string
  /** `[A-Za-z0-9_-]{1,128}`. */
  readonly queue: string
  /** A JSON object as text. */
  readonly payload: string
  /** -1,000 to 1,000; higher first, equal ones in order of arrival. */
  readonly priority: number
  /** Wall time of adding, milliseconds. */
  readonly time: number
  /** Milliseconds until it is ready, 0: at once. */
  readonly delayMs: number
  /** Makes adding idempotent within its queue, for the dedupe window. 1 to 128 bytes. */
  readonly key?: string
  /** Tasks of a group share a limit of leases and are served round robin with other groups. 1 to 128 bytes. */
  readonly group?: string
  /** After so many failed attempts it is a dead letter. */
  readonly maxAttempts: number
  readonly leaseMs: number
  readonly backoff: Backoff
  /** A room that progress is sent to. */
  readonly room?: string
}

/** A task that is stored. */
export interface Added {
  readonly id: string
  /** True: the key was added before; `id` is that task's. */
  readonly repeated: boolean
}

/**
 * How an attempt came out. `expired`: its lease ended by time. `released`: its worker went. `buried`: by hand. `stale`: no
 * attempt, but a report of an older one that changed nothing.
 */
export type AttemptOutcome = 'done' | 'failed' | 'expired' | 'released' | 'buried' | 'stale'

/** One try at a task, in its history. */
export interface Attempt {
  readonly number: number
  readonly worker: string
  /** Wall times. `ended` is absent while it runs. */
  readonly started: number
  readonly ended?: number
  readonly outcome?: AttemptOutcome
  readonly reason?: string
}

/** A task as the store has it. */
export interface Task extends NewTask {
  readonly state: TaskState
  /** The last ones, oldest first, the running one included. */
  readonly attempts: readonly Attempt[]
  /** How many attempts failed since it was added or retried. */
  readonly failures: number
  /** Wall time at which a delayed task becomes ready, or a lease ends. */
  readonly until?: number
  /** The worker's latest word on it, JSON text. */
  readonly progress?: string
}

/** A task in a worker's hands. */
export interface Lease {
  readonly task: NewTask
  /** From 1, one more with every lease of the task. Durable before the lease is handed out. */
  readonly attempt: number
  /** Names this attempt: the fence for reports. That it cannot be guessed is not promised. */
  readonly token: string
  readonly worker: string
  /** Wall time at which it ends, for people. */
  readonly deadline: number
}

/** What a worker, or somebody for it, says of an attempt. */
export interface Report {
  readonly id: string
  /** Absent: the plain report, which settles whatever attempt is current. */
  readonly token?: string
  /** Who reports, when that is known. */
  readonly worker?: string
  readonly outcome: 'done' | 'failed'
  /** Why it failed, at most 1,000 characters. */
  readonly reason?: string
}

/**
 * What became of a report: `done`, `already` (it was done before), `failed` (to be tried again), `dead` (that was the last
 * attempt, or it was one before), `stale` (a newer attempt holds it; noted in the history, nothing else changed),
 * `unknown` (no such task, or done too long ago).
 */
export type ReportOutcome = 'done' | 'already' | 'failed' | 'dead' | 'stale' | 'unknown'

/** A lease that is over. */
export interface Ended {
  readonly id: string
  readonly queue: string
  readonly worker: string
  readonly attempt: number
  readonly token: string
  readonly how: 'done' | 'failed' | 'expired' | 'released' | 'buried'
  /** True: somebody else ended it, so its worker may still be at it and is to be told. */
  readonly lost: boolean
  /** True: that was the last attempt, the task is a dead letter now. */
  readonly dead: boolean
  /** What was said about it. */
  readonly reason?: string
}

/** What became of reports. */
export interface Reported {
  /** In the order of the reports. */
  readonly outcomes: readonly ReportOutcome[]
  readonly ended: readonly Ended[]
}

/** How a queue hands out. */
export interface QueueSettings {
  /** True: nothing is handed out. */
  readonly paused: boolean
  /** Leases that a group may have at one time, 0: no limit. Tasks without a group have none. */
  readonly groupConcurrency: number
  /** True: within a group strictly one after the other, a failed task first until it is done or dead. */
  readonly ordered: boolean
}

/** How many tasks of a queue are in which state. */
export interface QueueCounts extends QueueSettings {
  readonly queue: string
  readonly ready: number
  readonly delayed: number
  readonly leased: number
  readonly dead: number
  /** Settled since the queue was made. */
  readonly done: number
  /** Settled in the last minute, of a cluster by this node. */
  readonly donePerMinute: number
  /** Wall time at which about the oldest ready task was added, absent when none is. */
  readonly oldestReady?: number
}

/** Which tasks are asked for. */
export interface TaskQuery {
  /** Absent: of all queues. */
  readonly queue?: string
  /** Absent: of all states. */
  readonly state?: TaskState
  /** `next` of the page before. */
  readonly after?: string
  /** 1 to 500. */
  readonly limit: number
}

/** Tasks, by id, and where the next page begins. */
export interface TaskPage {
  /** By id, or by queue and id when only dead letters were asked for. */
  readonly tasks: readonly Task[]
  /** Where the next page begins; a page may be short or empty and still have one. Undefined: no more. */
  readonly next: string | undefined
}

/** Dead letters: named ones, or up to `limit` (1 to 1,000) of a queue, of all queues without one. */
export type Which = { readonly ids: readonly string[] } | { readonly queue: string | undefined; readonly limit: number }

/** So many bytes of payloads are in one claim, or one task. In characters. */
export const claimBytesMax = 4 * 1024 * 1024

/** The port of tasks: the truth about which task is where, who has it, and until when. */
export interface TaskStore {
  /**
   * Adds all or none, in order. Resolves when durable.
   * @throws NitkaError `overloaded` a queue is full, `conflict` a key was used for another payload, `invalid`
   */
  add(tasks: readonly NewTask[]): Promise<readonly Added[]>

  /**
   * Leases up to `limit` (1 to 1,000) ready tasks to `worker`: highest priority first, then oldest; of groups, round robin,
   * each within its concurrency. Resolves when the leases are durable. No task is in two live leases. A paused queue has
   * none. Claims that are under way together get theirs in the order in which they were asked.
   */
  claim(queue: string, worker: string, limit: number): Promise<readonly Lease[]>

  /** Settles or fails, by the table of `docs/guide/tasks.md`. Idempotent. Resolves when durable. */
  report(reports: readonly Report[]): Promise<Reported>

  /** Gives a lease `leaseMs` from now. Resolves to the new wall time of its end. Undefined: the token is not current. */
  extend(id: string, token: string, leaseMs: number): Promise<number | undefined>

  /** Keeps the worker's word on its task, JSON text. The task's room; undefined: the token is not current. */
  progress(id: string, token: string, progress: string): Promise<{ readonly room?: string } | undefined>

  /**
   * Ends all leases of a worker that is gone, at once and without back-off. `counts`: as failed attempts; otherwise as if
   * they had never been, because nothing of them was sent.
   */
  release(worker: string, counts: boolean): Promise<readonly Ended[]>

  /** Puts back or buries what leases have ended of, and makes ready what was delayed until now. In pieces. */
  expire(): Promise<readonly Ended[]>

  /** Milliseconds until `expire` has something to do, 0 or less when it has; undefined: nothing waits for time. Cheap. */
  nextDueMs(): number | undefined

  /** Told a queue's name when it may have something to claim that it had not before. In memory, never awaited. */
  onReady: ((queue: string) => void) | undefined

  /** Told of leases of workers of this process that others ended, on other nodes. In memory, never awaited. */
  onEnded: ((ended: readonly Ended[]) => void) | undefined

  /** Told when `nextDueMs` became less by what others did, on other nodes. In memory, never awaited. */
  onDue: (() => void) | undefined

  /** A task; undefined when there is none. */
  get(id: string): Promise<Task | undefined>
  /** A page of tasks, by id. */
  list(query: TaskQuery): Promise<TaskPage>
  /** Makes dead letters ready again with fresh attempts, their history kept. Gives how many. */
  retry(which: Which): Promise<number>
  /** Removes dead letters. Gives how many. */
  drop(which: Which): Promise<number>
  /** Makes a task a dead letter now, whatever its state but done. `buried` false: there is none, or it is done or dead. */
  bury(id: string, reason: string): Promise<{ readonly buried: boolean; readonly ended: readonly Ended[] }>
  /** Removes up to `limit` (1 to 1,000) ready and delayed tasks of a queue. Gives how many. */
  purge(queue: string, limit: number): Promise<number>
  /** Makes the queue when it is not there. */
  configure(queue: string, settings: Partial<QueueSettings>): Promise<QueueSettings>
  /** All queues that exist, by name. Cheap: kept in memory, so what other nodes did may show a second later. */
  queues(): readonly QueueCounts[]
}

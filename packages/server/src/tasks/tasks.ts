// Tasks: units of work handed in batches to free workers, reported back, tried again, buried. Owns the workers and the
// moments; what a task is and who has it is the store's.

import { type IdSource, limits, NitkaError } from '@nitka/protocol'
import type { Clock, Timer } from '../world.ts'
import { Dispatcher } from './dispatcher.ts'
import { readTasks, type TaskDefaults } from './task-input.ts'
import type {
  Added,
  Ended,
  NewTask,
  QueueCounts,
  QueueSettings,
  Report,
  ReportOutcome,
  Task,
  TaskPage,
  TaskQuery,
  TaskStore,
} from './task-store.ts'
import { Worker, type WorkerListener } from './worker.ts'

export interface TasksOptions extends TaskDefaults {
  /** True: the leases of a connection that ended are ended at once, as failed attempts, instead of running on. */
  readonly releaseOnDisconnect: boolean
}

export interface TasksParts {
  readonly store: TaskStore
  readonly clock: Clock
  readonly ids: IdSource
  /** Something in the background failed. */
  readonly onError: (error: unknown) => void
  /** A worker told of progress, and its task names a room. */
  readonly onProgress: (room: string, progress: { task: string; progress: unknown }) => void
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

/** How long a worker may be silent beyond the lease of what it was given. */
const silentMs = 30_000
/** After a failure in the background. */
const retryMs = 1_000
/** Dead letters and waiting tasks are worked off in pieces. */
const piece = 500

export class Tasks {
  added = 0
  leased = 0
  /** Connections of workers ended because nothing was heard of them. */
  silent = 0
  readonly outcomes: Record<ReportOutcome, number> = { done: 0, already: 0, failed: 0, dead: 0, stale: 0, unknown: 0 }
  /** Leases that ended in another way than by a report. */
  readonly lost = { expired: 0, released: 0, buried: 0 }
  readonly #parts: TasksParts
  readonly #options: TasksOptions
  readonly #dispatchers = new Map<string, Dispatcher>()
  readonly #workers = new Map<string, Worker>()
  #timer: { readonly at: number; readonly timer: Timer } | undefined
  #expiring: Promise<void> | undefined
  #scheduled = false
  #stopped = false
  #closed = false

  constructor(parts: TasksParts, options: TasksOptions) {
    this.#parts = parts
    this.#options = options
    parts.store.onReady = (queue) => this.#dispatchers.get(queue)?.wake()
    this.#schedule()
  }

  /**
   * Adds one task or several, all or none. Resolves when they are durable.
   * @throws NitkaError `invalid`, `too-large`, `conflict` a key was used for another payload, `overloaded` the queue is full
   */
  async add(wish: unknown): Promise<readonly AddedTask[]> {
    return this.addAll(this.read(wish))
  }

  /** What `add` would add, for those who ask who may add to which queue. @throws NitkaError as `add` */
  read(wish: unknown): readonly NewTask[] {
    const { ids, clock } = this.#parts
    return readTasks(wish, this.#options, () => ({ id: ids.next(), time: clock.now() }))
  }

  /**
   * Adds what was read.
   * @param store stores it, with what else belongs to it. Default: the tasks' store
   */
  async addAll(
    tasks: readonly NewTask[],
    store = (fresh: readonly NewTask[]): Promise<readonly Added[]> => this.#parts.store.add(fresh),
  ): Promise<readonly AddedTask[]> {
    const added = await store(tasks)
    if (tasks.some(({ delayMs }) => delayMs > 0)) this.#schedule()
    for (const { repeated } of added) if (!repeated) this.added += 1
    return added.map((one, i) => ({ ...one, queue: tasks[i]?.queue ?? '' }))
  }

  /** Takes a worker: from now on it is handed batches of up to `batch` tasks, the next when the last one is settled. */
  work(birth: { id: string; queue: string; batch: number }, listener: WorkerListener): Work {
    const worker = new Worker(birth, {
      batch: (leases) => listener.batch(leases),
      lost: (ended) => listener.lost(ended),
      silent: () => {
        this.silent += 1
        listener.silent()
      },
    })
    this.#workers.set(worker.id, worker)
    this.#dispatcher(worker.queue).enter(worker)
    return { worker: worker.id, has: (task) => worker.has(task), close: () => this.#leave(worker) }
  }

  /**
   * Settles or fails tasks. Idempotent; resolves when that is durable. An outcome for each, in their order.
   * @param worker who reports, when it is a connected worker
   * @throws NitkaError `invalid`
   */
  async report(reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    if (reports.length > limits.reportsMax) {
      throw new NitkaError('invalid', `a report may name ${limits.reportsMax} tasks, not ${reports.length}`)
    }
    const { outcomes, ended } = await this.#parts.store.report(reports)
    for (const outcome of outcomes) this.outcomes[outcome] += 1
    this.#ended(ended)
    if (outcomes.includes('failed')) this.#schedule()
    return outcomes
  }

  /**
   * Gives a lease `leaseMs` from now, by default as long as tasks have here. Resolves to the new wall time of its end.
   * @throws NitkaError `conflict` the token is not current any more
   */
  async extend(id: string, token: string, leaseMs: number = this.#options.leaseMs): Promise<number> {
    const until = await this.#parts.store.extend(id, token, leaseMs)
    if (until === undefined) throw gone(id)
    this.#schedule()
    return until
  }

  /** Keeps a worker's word on its task, and tells the task's room. @throws NitkaError `conflict`, `too-large` */
  async progress(id: string, token: string, progress: unknown): Promise<void> {
    const text = JSON.stringify(progress ?? null)
    if (text.length > progressMax) {
      throw new NitkaError('too-large', `progress may have ${progressMax} characters of JSON`, { field: 'progress' })
    }
    const kept = await this.#parts.store.progress(id, token, text)
    if (kept === undefined) throw gone(id)
    if (kept.room !== undefined) this.#parts.onProgress(kept.room, { task: id, progress })
  }

  /** @throws NitkaError `not-found` */
  async get(id: string): Promise<Task> {
    const task = await this.#parts.store.get(id)
    if (task === undefined) throw unknown(id)
    return task
  }

  list(query: TaskQuery): Promise<TaskPage> {
    return this.#parts.store.list(query)
  }

  /** Tries a dead letter again, with fresh attempts. @throws NitkaError `not-found` it is none */
  async retry(id: string): Promise<Task> {
    if ((await this.#parts.store.retry({ ids: [id] })) === 0) throw noLetter(id)
    return this.get(id)
  }

  /** Tries all dead letters of a queue again, of all queues without one. Gives how many. */
  retryAll(queue: string | undefined): Promise<number> {
    return inPieces(() => this.#parts.store.retry({ queue, limit: piece }))
  }

  /** Removes a dead letter. @throws NitkaError `not-found` it is none */
  async drop(id: string): Promise<void> {
    if ((await this.#parts.store.drop({ ids: [id] })) === 0) throw noLetter(id)
  }

  dropAll(queue: string | undefined): Promise<number> {
    return inPieces(() => this.#parts.store.drop({ queue, limit: piece }))
  }

  /** Makes a task a dead letter, whatever its state. @throws NitkaError `not-found`, `conflict` it is done, or is one already */
  async bury(id: string, reason = 'buried by hand'): Promise<Task> {
    const { buried, ended } = await this.#parts.store.bury(id, reason)
    this.#ended(ended)
    const task = await this.get(id)
    if (!buried) throw new NitkaError('conflict', `the task ${id} is ${task.state} already`)
    return task
  }

  /** Removes what waits in a queue. In pieces: what is added meanwhile may go too. Gives how many. */
  purge(queue: string): Promise<number> {
    return inPieces(() => this.#parts.store.purge(queue, piece))
  }

  configure(queue: string, settings: Partial<QueueSettings>): Promise<QueueSettings> {
    return this.#parts.store.configure(queue, settings)
  }

  /** All queues, by name: those that had a task, and those that have a worker. Cheap. */
  queues(): readonly QueueView[] {
    const stored = this.#parts.store.queues()
    const known = new Set(stored.map(({ queue }) => queue))
    const fresh = [...this.#dispatchers.keys()].filter((queue) => !known.has(queue))
    const all = fresh.length === 0 ? stored : [...stored, ...fresh.map((queue) => ({ ...emptyQueue, queue }))]
    return all
      .map((counts) => {
        const dispatcher = this.#dispatchers.get(counts.queue)
        return { ...counts, workers: dispatcher?.workers.size ?? 0, free: dispatcher?.free ?? 0 }
      })
      .sort((a, b) => (a.queue < b.queue ? -1 : 1))
  }

  /** Hands out nothing more. Reports are taken, leases run on. */
  stop(): void {
    this.#stopped = true
    for (const dispatcher of this.#dispatchers.values()) dispatcher.stop()
  }

  /** Ends what runs in the background. */
  async close(): Promise<void> {
    this.stop()
    this.#closed = true
    this.#timer?.timer.cancel()
    await this.#expiring
  }

  #dispatcher(queue: string): Dispatcher {
    let dispatcher = this.#dispatchers.get(queue)
    if (dispatcher === undefined) {
      const { store, clock, onError } = this.#parts
      dispatcher = new Dispatcher(queue, {
        ...{ store, clock, onError },
        onLeased: (leases) => {
          this.leased += leases.length
          this.#schedule()
        },
      })
      if (this.#stopped) dispatcher.stop()
      this.#dispatchers.set(queue, dispatcher)
    }
    return dispatcher
  }

  #leave(worker: Worker): void {
    if (worker.closed) return
    worker.closed = true
    this.#workers.delete(worker.id)
    const dispatcher = this.#dispatchers.get(worker.queue)
    dispatcher?.leave(worker)
    if (dispatcher?.workers.size === 0) this.#dispatchers.delete(worker.queue)
    if (!this.#options.releaseOnDisconnect || worker.size === 0 || this.#closed) return
    this.#parts.store.release(worker.id, true).then((ended) => this.#ended(ended), this.#parts.onError)
  }

  /** Leases are over: their workers hear of it, and may be free. */
  #ended(list: readonly Ended[]): void {
    for (const ended of list) {
      if (ended.how === 'expired' || ended.how === 'released' || ended.how === 'buried') this.lost[ended.how] += 1
      const worker = this.#workers.get(ended.worker)
      if (worker?.ended(ended) === true && worker.free) this.#dispatcher(worker.queue).enter(worker)
    }
  }

  /** Sees to it that what is due next is done then. Once a turn, however often it is asked. */
  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#parts.clock.soon(() => {
      this.#scheduled = false
      this.#plan()
    })
  }

  #plan(): void {
    const { store, clock } = this.#parts
    const dueMs = store.nextDueMs()
    if (dueMs === undefined || this.#closed || this.#expiring !== undefined) return
    const at = clock.monotonic() + Math.max(0, Math.min(dueMs, timerMax))
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.timer.cancel()
    const timer = clock.after(Math.ceil(at - clock.monotonic()), () => {
      this.#timer = undefined
      this.#expiring = this.#expire().finally(() => {
        this.#expiring = undefined
        this.#schedule()
      })
    })
    this.#timer = { at, timer }
  }

  async #expire(): Promise<void> {
    const { store, clock, onError } = this.#parts
    try {
      const ended = await store.expire()
      this.#ended(ended)
      for (const id of new Set(ended.map(({ worker }) => worker))) {
        this.#workers.get(id)?.checkSilence(clock.monotonic(), silentMs, this.#options.leaseMs)
      }
    } catch (error) {
      onError(error)
      await new Promise<void>((resolve) => clock.after(retryMs, resolve))
    }
  }
}

/** A queue that has workers and never had a task. */
const emptyQueue = {
  ...{ ready: 0, delayed: 0, leased: 0, dead: 0, done: 0, donePerMinute: 0 },
  ...{ paused: false, groupConcurrency: 0, ordered: false },
}
/** Characters of JSON. */
const progressMax = 4_096
/** A timer is set for at most so long. */
const timerMax = 60_000

async function inPieces(next: () => Promise<number>): Promise<number> {
  let total = 0
  for (let count = await next(); count > 0; count = await next()) total += count
  return total
}

function gone(id: string): NitkaError {
  return new NitkaError('conflict', `the lease of ${id} that this token names has ended`, { field: 'token' })
}

function unknown(id: string): NitkaError {
  return new NitkaError('not-found', `there is no task ${id.slice(0, 40)}`, { field: 'id' })
}

function noLetter(id: string): NitkaError {
  return new NitkaError('not-found', `there is no dead letter ${id.slice(0, 40)}`, { field: 'id' })
}

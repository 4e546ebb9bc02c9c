// Tasks: units of work handed in batches to free workers, reported back, tried again, buried. Owns the workers and the
// moments; what a task is and who has it is the store's.

import { type IdSource, isId, limits, NitkaError } from '@nitka/protocol'
import type { Clock } from '../world.ts'
import { Dispatcher } from './dispatcher.ts'
import { Expiry } from './expiry.ts'
import { readTasks, type TaskDefaults } from './task-input.ts'
import type {
  Added,
  Ended,
  NewTask,
  QueueSettings,
  Report,
  ReportOutcome,
  Task,
  TaskPage,
  TaskQuery,
  TaskStore,
} from './task-store.ts'
import type { AddedTask, DeadLetter, QueueView, Work } from './views.ts'
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
  /** A task became a dead letter, durably. Must not throw. */
  readonly onDead?: (letter: DeadLetter) => void
}

/** How long a worker may be silent beyond the lease of what it was given. */
const silentMs = 30_000
/** Dead letters and waiting tasks are worked off in pieces. */
const piece = 500

/** Tasks: queues, and the workers that take from them. */
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
  readonly #expiry: Expiry
  #stopped = false
  #closed = false

  /** @internal */
  constructor(parts: TasksParts, options: TasksOptions) {
    this.#parts = parts
    this.#options = options
    parts.store.onReady = (queue) => this.#dispatchers.get(queue)?.wake()
    parts.store.onEnded = (ended) => this.#tell(ended)
    this.#expiry = new Expiry(parts, (ended) => this.#expired(ended))
    parts.store.onDue = () => this.#expiry.schedule()
    this.#expiry.schedule()
  }

  /**
   * Adds one task or several, all or none. Resolves when they are durable; the answers are in the order of the tasks.
   * @param wish a `TaskInput` or up to 1,000 of them, checked here. With a `key` it may be repeated: it is added once
   * @throws NitkaError `invalid`, `too-large`, `conflict` a key was used for another payload, `overloaded` the queue is full
   */
  async add(wish: unknown): Promise<readonly AddedTask[]> {
    return this.addAll(this.read(wish))
  }

  /** What `add` would add, for those who ask who may add to which queue. @throws NitkaError as `add` @internal */
  read(wish: unknown): readonly NewTask[] {
    const { ids, clock } = this.#parts
    return readTasks(wish, this.#options, () => ({ id: ids.next(), time: clock.now() }))
  }

  /**
   * @internal Adds what was read.
   * @param store stores it, with what else belongs to it. Default: the tasks' store
   */
  async addAll(
    tasks: readonly NewTask[],
    store = (fresh: readonly NewTask[]): Promise<readonly Added[]> => this.#parts.store.add(fresh),
  ): Promise<readonly AddedTask[]> {
    const added = await store(tasks)
    if (tasks.some(({ delayMs }) => delayMs > 0)) this.#expiry.schedule()
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
   * @throws NitkaError `invalid`
   */
  async report(reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    if (reports.length > limits.reportsMax) {
      throw new NitkaError('invalid', `a report may name ${limits.reportsMax} tasks, not ${reports.length}`)
    }
    const { outcomes: told, ended } = await this.#parts.store.report(reports.filter(({ id }) => isId(id)))
    const next = told.values()
    // What can be no id is as unknown as what was never added: one such id does not cost the others their report.
    const outcomes = reports.map(({ id }) => (isId(id) ? next.next().value : undefined) ?? 'unknown')
    for (const outcome of outcomes) this.outcomes[outcome] += 1
    this.#ended(ended)
    if (outcomes.includes('failed')) this.#expiry.schedule()
    return outcomes
  }

  /**
   * Gives a lease `leaseMs` from now, by default the length that leases of the task have. Resolves to the new wall time of
   * its end.
   * @throws NitkaError `conflict` the token is not current any more
   */
  async extend(id: string, token: string, leaseMs?: number): Promise<number> {
    const { store } = this.#parts
    const length = leaseMs ?? (await store.get(id))?.leaseMs
    const until = length === undefined ? undefined : await store.extend(id, token, length)
    if (until === undefined) throw gone(id)
    this.#expiry.schedule()
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

  /** A task, also one that is done, for `doneMs`. @throws NitkaError `not-found` */
  async get(id: string): Promise<Task> {
    const task = await this.#parts.store.get(id)
    if (task === undefined) throw unknown(id)
    return task
  }

  /** A page of tasks. */
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

  /** Removes all dead letters of a queue, of all queues without one. Gives how many. */
  dropAll(queue: string | undefined): Promise<number> {
    return inPieces(() => this.#parts.store.drop({ queue, limit: piece }))
  }

  /** Makes a task a dead letter, whatever its state. @throws NitkaError `not-found`, `conflict` it is done, or is one already */
  async bury(id: string, reason = 'buried by hand'): Promise<Task> {
    const { buried, ended } = await this.#parts.store.bury(id, reason)
    this.#ended(ended)
    const task = await this.get(id)
    if (!buried) throw new NitkaError('conflict', `the task ${id} is ${task.state} already`)
    if (ended.length === 0) {
      const attempts = task.attempts.findLast(({ outcome }) => outcome !== 'buried')?.number ?? 0
      this.#parts.onDead?.({ task: id, queue: task.queue, attempts, how: 'buried', reason })
    }
    return task
  }

  /** Removes what waits in a queue. In pieces: what is added meanwhile may go too. Gives how many. */
  purge(queue: string): Promise<number> {
    return inPieces(() => this.#parts.store.purge(queue, piece))
  }

  /** Changes settings of a queue, which is made when it is not there. Durable when resolved. Gives all of them. */
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

  /** @internal Hands out nothing more. Reports are taken, leases run on. */
  stop(): void {
    this.#stopped = true
    for (const dispatcher of this.#dispatchers.values()) dispatcher.stop()
  }

  /** @internal Ends what runs in the background. */
  async close(): Promise<void> {
    this.stop()
    this.#closed = true
    await this.#expiry.close()
  }

  #dispatcher(queue: string): Dispatcher {
    let dispatcher = this.#dispatchers.get(queue)
    if (dispatcher === undefined) {
      const { store, clock, onError } = this.#parts
      dispatcher = new Dispatcher(queue, {
        ...{ store, clock, onError },
        onLeased: (leases) => {
          this.leased += leases.length
          this.#expiry.schedule()
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

  #expired(ended: readonly Ended[]): void {
    this.#ended(ended)
    const now = this.#parts.clock.monotonic()
    for (const id of new Set(ended.map(({ worker }) => worker))) {
      this.#workers.get(id)?.checkSilence(now, silentMs, this.#options.leaseMs)
    }
  }

  /** Leases were ended here: that is counted, and dead letters are told. */
  #ended(list: readonly Ended[]): void {
    for (const { id, queue, how, attempt, reason, dead } of list) {
      if (how === 'expired' || how === 'released' || how === 'buried') this.lost[how] += 1
      if (dead && how !== 'done') this.#parts.onDead?.({ task: id, queue, attempts: attempt, how, reason })
    }
    this.#tell(list)
  }

  /** Leases are over, wherever they were ended: their workers hear of it, and may be free. */
  #tell(list: readonly Ended[]): void {
    for (const ended of list) {
      const worker = this.#workers.get(ended.worker)
      if (worker?.ended(ended) === true && worker.free) this.#dispatcher(worker.queue).enter(worker)
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

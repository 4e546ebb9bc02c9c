// A worker: takes batches of a queue and gives each task to the application's handler.

import type { LeasedTask } from './answers.ts'
import { Emitter } from './emitter.ts'
import { type NitkaError, reasonOf } from './errors.ts'
import { type Because, Leased } from './leased.ts'
import type { Line } from './line.ts'
import { Reports } from './reports.ts'
import { patient } from './sending.ts'

/** A task, as its handler gets it. */
export interface Task<Payload = object> {
  readonly id: string
  readonly queue: string
  readonly payload: Payload
  /** 1 at first. */
  readonly attempt: number
  /** Names this attempt: a fence for side effects, together with the id. */
  readonly token: string
  /** Keeps a word on the task, and tells whoever is in the room that the task names. */
  progress(progress: unknown): Promise<void>
}

/** What a handler is told besides the task. */
export interface TaskContext {
  /** Fires before the lease ends, when it could not be renewed: somebody else is about to get the task. Stop then. */
  readonly signal: AbortSignal
}

/** Returns: the task is done. Throws: it failed, and is tried again after its back-off. */
export type TaskHandler<Payload> = (task: Task<Payload>, context: TaskContext) => unknown

/** How a worker works. */
export interface WorkOptions {
  /** Tasks at once, 1 to 1,000. Default 10. The next ones come when all of them are settled. */
  readonly batch?: number
  /** Stops the worker. */
  readonly signal?: AbortSignal
}

/** What `worker.on` tells. */
export interface WorkerEvents {
  /** The handler threw; the task is reported as failed. */
  failed: { readonly id: string; readonly error: unknown }
  /** The lease ended while the handler was at work; its signal has fired. */
  lost: { readonly id: string; readonly because: Because }
  /** The report came too late: another attempt counts. */
  stale: { readonly id: string }
  /** It takes no more. `error`: the server does not let it. Told once. */
  stopped: { readonly error?: NitkaError }
}

/** This client at work on a queue, over any number of connections. */
export class Worker<Payload = object> {
  readonly queue: string
  readonly #line: Line
  readonly #batch: number
  readonly #handler: TaskHandler<Payload>
  readonly #events: Emitter<WorkerEvents>
  readonly #reports: Reports
  readonly #running = new Map<string, Leased>()
  readonly #works = new Set<Promise<void>>()
  readonly #onStopped: () => void
  readonly #off: () => void
  #leaving: Promise<void> | undefined
  #asked = false
  #over = false

  /** Workers are made by `nitka.tasks.work`. */
  constructor(
    line: Line,
    queue: string,
    { batch = 10, signal }: WorkOptions,
    handler: TaskHandler<Payload>,
    onStopped: () => void,
  ) {
    this.#line = line
    this.queue = queue
    this.#batch = batch
    this.#handler = handler
    this.#onStopped = onStopped
    this.#events = new Emitter(line.onError)
    this.#reports = new Reports(line, (ids) => {
      for (const id of ids) this.#events.emit('stale', { id })
    })
    const stop = (): void => void this.stop()
    signal?.addEventListener('abort', stop, { once: true })
    this.#off = () => signal?.removeEventListener('abort', stop)
    if (signal?.aborted) queueMicrotask(stop)
  }

  /** @internal Another one may work on the queue. */
  get over(): boolean {
    return this.#over
  }

  /** Tasks at work. */
  get running(): number {
    return this.#running.size
  }

  /** Calls `listener` at each event of that name. Returns how to stop. */
  on<Name extends keyof WorkerEvents>(name: Name, listener: (event: WorkerEvents[Name]) => void): () => void {
    return this.#events.on(name, listener)
  }

  /** Takes no more, and resolves when what is at work has ended and is reported. */
  async stop(): Promise<void> {
    if (this.#finish()) this.#leaving = this.#leave()
    await this.#leaving
    await Promise.all(this.#works)
    await this.#reports.told()
  }

  /** As `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** @internal A connection is there. What is at work is a part of the batch: the next one waits for its end. */
  resume(): void {
    this.#asked = false
    for (const leased of this.#running.values()) leased.watch()
    void this.#ask()
  }

  /** @internal */
  take(tasks: readonly LeasedTask[]): void {
    for (const task of tasks) {
      const work = this.#work(task).finally(() => {
        this.#works.delete(work)
        void this.#ask()
      })
      this.#works.add(work)
    }
  }

  /** @internal */
  lost(id: string, token: string, because: Because): boolean {
    const leased = this.#running.get(id)
    if (leased === undefined || leased.task.token !== token) return false
    leased.lost(because)
    return true
  }

  /** @internal It takes no more. */
  end(error?: NitkaError): void {
    if (this.#finish(error)) this.#onStopped()
  }

  /** False: it was over before. */
  #finish(error?: NitkaError): boolean {
    if (this.#over) return false
    this.#over = true
    this.#off()
    this.#events.emit('stopped', error === undefined ? {} : { error })
    return true
  }

  /** A batch may be on its way, and is worked on: passed over, each of its tasks would wait for its lease, and lose an attempt. */
  async #leave(): Promise<void> {
    await this.#line.call('tasks.stop', { queue: this.queue }, 'bound', patient({})).catch(() => undefined)
    this.#onStopped()
  }

  async #ask(): Promise<void> {
    if (this.#asked || this.#over || this.#running.size > 0 || this.#line.state !== 'live') return
    this.#asked = true
    try {
      await this.#line.call('tasks.work', { queue: this.queue, batch: this.#batch }, 'bound')
    } catch (thrown) {
      const error = thrown as NitkaError
      // The next connection asks again.
      if (error.code === 'lost' || this.#over) return
      if (!error.retry) {
        this.#events.unheard('stopped', error)
        return this.end(error)
      }
      this.#line.again(() => {
        this.#asked = false
        void this.#ask()
      })
    }
  }

  async #work(task: LeasedTask): Promise<void> {
    const { id, payload, attempt, token } = task
    const leased = new Leased(this.#line, task, (because) => {
      if (this.#running.get(id) === leased) this.#running.delete(id)
      this.#events.emit('lost', { id, because })
      void this.#ask()
    })
    // The same task twice at once would be another attempt, after the lease of the first has ended.
    this.#running.get(id)?.lost('expired')
    this.#running.set(id, leased)
    const { signal } = leased
    const progress = (value: unknown): Promise<void> => leased.progress(value)
    try {
      await this.#handler({ id, queue: this.queue, payload: payload as Payload, attempt, token, progress }, { signal })
      this.#reports.add({ id, token })
    } catch (error) {
      // What failed because it was called off is not worth a report: it is another's now.
      if (!signal.aborted) this.#reports.add({ id, token, reason: reasonOf(error) })
      this.#events.emit('failed', { id, error })
    } finally {
      leased.end()
      if (this.#running.get(id) === leased) this.#running.delete(id)
    }
  }
}

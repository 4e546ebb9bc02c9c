// Tasks: adding them, working on them, and looking after them.

import type { AddedTask, LeasedTask, QueueInfo, TaskInfo, TaskInput, TaskState } from './answers.ts'
import type { CallOptions } from './calls.ts'
import type { Contract, Named, NameOf } from './contract.ts'
import { NitkaError } from './errors.ts'
import type { Because } from './leased.ts'
import type { Line } from './line.ts'
import { patient, sendOptions } from './sending.ts'
import { type TaskHandler, Worker, type WorkOptions } from './worker.ts'

/** The payload of a queue's tasks. */
type PayloadOf<App extends Contract, Queue extends string> =
  Named<App, 'tasks', Queue> extends infer Payload extends object ? Payload : object

/** Which tasks are asked for. */
export interface TaskQuery {
  readonly queue?: string
  readonly state?: TaskState
  readonly after?: string
  /** 50 when absent, at most 500. */
  readonly limit?: number
}

/** Tasks, and where the next page begins. */
export interface TaskPage {
  readonly tasks: readonly TaskInfo[]
  /** Pass it as `after`; null: there are no more. */
  readonly next: string | null
}

/** How a queue hands out. */
export interface QueueSettings {
  /** Nothing is handed out. */
  readonly paused?: boolean
  /** Leases of a group at one time; 0: no limit. */
  readonly groupConcurrency?: number
  /** A group strictly one after the other. */
  readonly ordered?: boolean
}

/** Tasks: `nitka.tasks`. */
export class Tasks<App extends Contract = Contract> {
  readonly #line: Line
  readonly #workers = new Map<string, Worker<never>>()

  /** @internal */
  constructor(line: Line) {
    this.#line = line
    line.onLive(() => {
      for (const worker of this.#workers.values()) worker.resume()
    })
    line.on<{ queue: string; tasks: readonly LeasedTask[] }>('tasks.batch', ({ queue, tasks }) =>
      this.#workers.get(queue)?.take(tasks),
    )
    line.on<{ id: string; queue: string; token: string; because: Because }>('tasks.lost', (lost) =>
      this.#workers.get(lost.queue)?.lost(lost.id, lost.token, lost.because),
    )
  }

  /**
   * Adds a task. Resolves when it is durable: it waits for a connection and is repeated under one key until the server has
   * answered, for up to 12 hours.
   * @throws NitkaError `invalid`, `forbidden`, `too-large`, `overloaded` (the queue is full, or too many calls wait)
   */
  async add<Queue extends NameOf<App, 'tasks'>>(
    queue: Queue,
    payload: PayloadOf<App, Queue>,
    options: Omit<TaskInput, 'payload' | 'queue'> & CallOptions = {},
  ): Promise<AddedTask> {
    const { signal, timeoutMs, ...settings } = options
    const [added] = await this.addAll([{ ...settings, queue, payload }], { signal, timeoutMs })
    return added as AddedTask
  }

  /** Adds up to 1,000 tasks, all or none, in order. As `add`. */
  async addAll(inputs: readonly TaskInput[], options: CallOptions = {}): Promise<readonly AddedTask[]> {
    const tasks = inputs.map((input) => ({ key: this.#line.world.id(), ...input }))
    const answer = await this.#line.call<{ tasks: readonly AddedTask[] }>(
      'tasks.add',
      { tasks },
      'safe',
      sendOptions(options),
    )
    return answer.tasks
  }

  /**
   * Works on a queue: `handler` gets each task, up to `batch` at once. Leases are renewed while it works. Goes on over
   * every connection, until it is stopped.
   * @throws NitkaError `conflict` when this client works on that queue already, `closed`
   */
  work<Queue extends NameOf<App, 'tasks'>>(
    queue: Queue,
    options: WorkOptions,
    handler: TaskHandler<PayloadOf<App, Queue>>,
  ): Worker<PayloadOf<App, Queue>> {
    if (this.#line.state === 'closed') throw new NitkaError('closed', 'the client was closed')
    if (this.#workers.get(queue)?.over === false)
      throw new NitkaError('conflict', `this client works on ${queue} already`)
    const worker = new Worker<PayloadOf<App, Queue>>(this.#line, queue, options, handler, () => {
      if (this.#workers.get(queue) === known) this.#workers.delete(queue)
    })
    const known = worker as unknown as Worker<never>
    this.#workers.set(queue, known)
    if (this.#line.state === 'live') worker.resume()
    return worker
  }

  /** @throws NitkaError `not-found` */
  get(id: string, options: CallOptions = {}): Promise<TaskInfo> {
    return this.#line.call('tasks.get', { id }, 'safe', patient(options))
  }

  /** Tasks, by id. */
  list(query: TaskQuery = {}, options: CallOptions = {}): Promise<TaskPage> {
    return this.#line.call('tasks.list', query, 'safe', patient(options))
  }

  /** Dead letters, by queue and id. */
  dead(query: Omit<TaskQuery, 'state'> = {}, options: CallOptions = {}): Promise<TaskPage> {
    return this.#line.call('tasks.dead', query, 'safe', patient(options))
  }

  /** Makes a dead letter ready again, with fresh attempts. */
  retry(id: string, options: CallOptions = {}): Promise<TaskInfo> {
    return this.#line.call('tasks.retry', { id }, 'once', patient(options))
  }

  /** Removes a dead letter. */
  async drop(id: string, options: CallOptions = {}): Promise<void> {
    await this.#line.call('tasks.drop', { id }, 'once', patient(options))
  }

  /** Makes a task a dead letter, whatever its state. */
  bury(id: string, reason?: string, options: CallOptions = {}): Promise<TaskInfo> {
    return this.#line.call('tasks.bury', { id, ...(reason === undefined ? {} : { reason }) }, 'once', patient(options))
  }

  /** All queues, by name. */
  async queues(options: CallOptions = {}): Promise<readonly QueueInfo[]> {
    const { queues } = await this.#line.call<{ queues: readonly QueueInfo[] }>(
      'tasks.queues',
      {},
      'safe',
      patient(options),
    )
    return queues
  }

  /** Pauses a queue, or sets the rules of its groups. */
  configure(queue: string, settings: QueueSettings, options: CallOptions = {}): Promise<Required<QueueSettings>> {
    return this.#line.call('tasks.configure', { queue, settings }, 'safe', patient(options))
  }

  /** @internal */
  end(error: NitkaError | undefined): void {
    for (const worker of [...this.#workers.values()]) worker.end(error)
  }
}

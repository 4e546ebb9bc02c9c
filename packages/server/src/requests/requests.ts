// Requests: typed questions, each type answered by its executor in order of arrival, types side by side. Owns the queues
// and the registrations; who asks, and over what, it does not know.

import { NitkaError } from '@nitka/protocol'
import type { Clock, Timer } from '../world.ts'
import { type Executor, type Outcome, type Question, Request } from './request.ts'
import { type Told, type TypeCounters, TypeQueue } from './type-queue.ts'

export interface RequestsOptions {
  /** How long a request may run, 0: no limit. */
  readonly timeoutMs: number
  /** How many may wait, of one type. 0: no limit. */
  readonly waitingMax: number
  /** How many types may have an executor. */
  readonly typesMax: number
}

export interface HandleOptions {
  /** Requests that the executor works on at one time. Default 1. */
  readonly concurrency?: number
  /** How long each may run, milliseconds. Default: the server's. */
  readonly timeoutMs?: number
}

/** A request that was asked. */
export interface Asked {
  /** Whether it has not begun. */
  readonly waiting: boolean
  /** Nobody wants the answer any more: it is dropped, unless it runs. */
  drop(): void
}

/** How a type stands. */
export interface TypeView extends TypeCounters {
  readonly type: string
  readonly waiting: number
  readonly running: number
  readonly executors: number
  readonly concurrency: number
  /** For how long each one waits or runs, milliseconds; the first 100, oldest first. */
  readonly waitingMs: readonly number[]
  readonly runningMs: readonly number[]
}

const sweepMs = 100
const shownMax = 100

export class Requests {
  /** Refused because their type has no executor, or too many waited. */
  refused = 0
  readonly #clock: Clock
  readonly #options: RequestsOptions
  readonly #told: Told | undefined
  readonly #types = new Map<string, TypeQueue>()
  readonly #timer: Timer
  #stopped = false

  /** @param told hears of each request that ended: for diagnosis */
  constructor(clock: Clock, options: RequestsOptions, told?: Told) {
    this.#clock = clock
    this.#options = options
    this.#told = told
    this.#timer = clock.every(sweepMs, () => {
      for (const queue of this.#types.values()) if (queue.running.size > 0) queue.sweep()
    })
  }

  /**
   * Registers an executor for a type. The first one registered works; the others stand by in order. The returned function
   * ends it: what runs runs to its end, and what waits goes to the next, or is refused when there is none.
   * @throws NitkaError `invalid`, `overloaded` too many types
   */
  handle(type: string, executor: Executor, options: HandleOptions = {}): () => void {
    const { concurrency = 1, timeoutMs = this.#options.timeoutMs } = options
    requestType(type)
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > concurrencyMax) {
      throw new NitkaError('invalid', `concurrency must be an integer from 1 to ${concurrencyMax}`, {
        field: 'concurrency',
      })
    }
    const queue = this.#queue(type)
    const registration = { executor, concurrency, timeoutMs }
    queue.registrations.push(registration)
    queue.run()
    return () => {
      const at = queue.registrations.indexOf(registration)
      if (at < 0) return
      queue.registrations.splice(at, 1)
      if (queue.registrations.length > 0) queue.run()
      else queue.refuse(noExecutor(type))
      if (queue.idle && this.#types.get(type) === queue) this.#types.delete(type)
    }
  }

  /** Whether somebody answers the type. */
  knows(type: string): boolean {
    return (this.#types.get(type)?.registrations.length ?? 0) > 0
  }

  /** Asks. `answer` is called once, at once or later, unless the request is dropped. Runs once per request. */
  ask(question: Question, answer: (outcome: Outcome) => void): Asked {
    const queue = this.#types.get(question.type)
    const refusal = this.#refusal(queue, question.type)
    if (queue === undefined || refusal !== undefined) {
      this.refused += 1
      answer({ error: refusal ?? noExecutor(question.type) })
      return nothing
    }
    const request = new Request(question, this.#clock.monotonic(), { answer, drop: queue.drop })
    queue.push(request)
    return request
  }

  /** Asks and waits. @throws NitkaError what the executor threw, or why nobody answered */
  call(type: string, payload?: unknown, user = ''): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.ask({ type, payload, user }, (outcome) => {
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.result)
      })
    })
  }

  /** All types that have an executor or a queue, by name. */
  types(): readonly TypeView[] {
    const now = this.#clock.monotonic()
    const queues = [...this.#types.values()].sort((a, b) => (a.type < b.type ? -1 : 1))
    return queues.map((queue) => ({
      ...queue.counters,
      type: queue.type,
      waiting: queue.waiting,
      running: queue.running.size,
      executors: queue.registrations.length,
      concurrency: queue.registrations[0]?.concurrency ?? 0,
      waitingMs: ages(queue.inLine(), now, ({ queuedAt }) => queuedAt),
      runningMs: ages(queue.running, now, ({ startedAt = now }) => startedAt),
    }))
  }

  /** Requests that wait, of all types. */
  get waiting(): number {
    let count = 0
    for (const queue of this.#types.values()) count += queue.waiting
    return count
  }

  get running(): number {
    let count = 0
    for (const queue of this.#types.values()) count += queue.running.size
    return count
  }

  /** Takes nothing more and begins nothing more: what waits is told so, what runs may end. */
  stop(): void {
    this.#stopped = true
    for (const queue of this.#types.values()) queue.refuse(stopping())
  }

  close(): void {
    this.stop()
    this.#timer.cancel()
  }

  #queue(type: string): TypeQueue {
    const known = this.#types.get(type)
    if (known !== undefined) return known
    if (this.#types.size >= this.#options.typesMax) {
      throw new NitkaError('overloaded', `there may be executors for ${this.#options.typesMax} types, no more`)
    }
    const queue = new TypeQueue(type, () => this.#clock.monotonic(), this.#told)
    this.#types.set(type, queue)
    return queue
  }

  #refusal(queue: TypeQueue | undefined, type: string): NitkaError | undefined {
    if (this.#stopped) return stopping()
    if (queue === undefined || queue.registrations.length === 0) return noExecutor(type)
    const { waitingMax } = this.#options
    if (waitingMax === 0 || queue.waiting < waitingMax) return undefined
    return new NitkaError('overloaded', `${waitingMax} requests of ${type} wait already; come back later`)
  }
}

const concurrencyMax = 10_000
const nothing: Asked = { waiting: false, drop: () => undefined }

function ages(requests: Iterable<Request>, now: number, since: (request: Request) => number): number[] {
  const list: number[] = []
  for (const request of requests) {
    list.push(Math.round(now - since(request)))
    if (list.length === shownMax) break
  }
  return list
}

/** 1 to 128 bytes. @throws NitkaError `invalid` */
function requestType(type: unknown): string {
  if (typeof type === 'string' && /^[\w.:-]{1,128}$/.test(type)) return type
  throw new NitkaError('invalid', 'type must be 1 to 128 of the characters A-Z a-z 0-9 _ . : -', { field: 'type' })
}

function noExecutor(type: string): NitkaError {
  return new NitkaError('not-found', `there is no executor for ${type.slice(0, 128)}`, { field: 'type' })
}

function stopping(): NitkaError {
  return new NitkaError('draining', 'the server is stopping; come back')
}

// Requests: typed questions, each type answered by its executor in order of arrival, types side by side. Owns the queues
// and the registrations; who asks, and over what, it does not know.

import { NitkaError } from '@nitka/protocol'
import type { Ownership } from '../nodes/ownership.ts'
import type { Peers } from '../nodes/peers.ts'
import type { Clock, Timer } from '../world.ts'
import { type Asked, type Asker, type Executor, type Outcome, type Question, Request, type Tell } from './request.ts'
import { SharedTypes } from './shared-types.ts'
import { type Right, type Told, type TypeCounters, TypeQueue } from './type-queue.ts'

export interface RequestsOptions {
  /** How long a request may run, 0: no limit. */
  readonly timeoutMs: number
  /** How many may wait, of one type. 0: no limit. */
  readonly waitingMax: number
  /** How many types may have an executor. */
  readonly typesMax: number
}

/** How an executor is run. */
export interface HandleOptions {
  /** Requests that the executor works on at one time. Default 1. */
  readonly concurrency?: number
  /** How long each may run, milliseconds. Default: the server's. */
  readonly timeoutMs?: number
}

/** How a type stands. */
export interface TypeView extends TypeCounters {
  readonly type: string
  readonly waiting: number
  readonly running: number
  readonly executors: number
  readonly concurrency: number
  /** Of several nodes the one that answers the type, as far as this one has heard. What waits and runs there is not counted here. */
  readonly owner?: string
  /** For how long each one waits or runs, milliseconds; the first 100, oldest first. */
  readonly waitingMs: readonly number[]
  readonly runningMs: readonly number[]
}

/** What a node among several shares its types by. */
export interface SharedBy {
  readonly ownership: Ownership
  readonly peers: Peers
}

const sweepMs = 100

/** A type finds its next node in that time; a request waits no longer for it. */
const takeOverMs = 15_000
const shownMax = 100

/** Typed requests, each answered by the executor of its type. */
export class Requests {
  /** Refused because their type has no executor, or too many waited. */
  refused = 0
  readonly #clock: Clock
  readonly #options: RequestsOptions
  readonly #told: Told | undefined
  readonly #types = new Map<string, TypeQueue>()
  readonly #shared: SharedTypes | undefined
  readonly #timer: Timer
  #stopped = false

  /**
   * @param told hears of each request that ended: for diagnosis
   * @param shared absent: this node is alone
   * @internal
   */
  constructor(clock: Clock, options: RequestsOptions, told?: Told, shared?: SharedBy) {
    this.#clock = clock
    this.#options = options
    this.#told = told
    const { timeoutMs, waitingMax } = options
    const waitMs = timeoutMs === 0 ? takeOverMs : Math.min(timeoutMs, takeOverMs)
    const here = this.#push.bind(this)
    this.#shared = shared && new SharedTypes({ ...shared, clock, waitMs, waitingMax, here })
    this.#timer = clock.every(sweepMs, () => this.#sweep())
  }

  /**
   * Registers an executor for a type. The first one registered works; the others stand by in order. The returned function
   * ends it: what runs runs to its end, and what waits goes to the next, or is refused when there is none. Requests begin in
   * the order of their arrival. Nothing is kept: a restart answers none of them. Among several nodes one answers a type, and
   * the executors of the others stand by; without one here, what runs has 5 s before another node begins.
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
    if (!this.#stopped) this.#shared?.wish(type)
    queue.run()
    return () => {
      const at = queue.registrations.indexOf(registration)
      if (at < 0) return
      queue.registrations.splice(at, 1)
      if (queue.registrations.length > 0) return queue.run()
      if (this.#shared?.others !== true) queue.refuse(noExecutor(type))
      this.#shared?.leave(type)
      this.#forget(queue)
    }
  }

  /** Whether somebody answers the type, on whatever node. */
  knows(type: string): boolean {
    return (this.#types.get(type)?.registrations.length ?? 0) > 0 || this.#shared?.forwarding.knows(type) === true
  }

  /**
   * @internal Asks. Runs once per request.
   */
  ask(question: Question, asker: Asker): Asked {
    const forwarding = this.#shared?.forwarding
    if (forwarding === undefined) return this.#push(question, asker) ?? nothing
    const stays = this.#stopped && this.#shared?.others !== true
    if (!stays && forwarding.knows(question.type)) return forwarding.ask(question, asker)
    return this.#refuse(stays ? stopping() : noExecutor(question.type), asker)
  }

  /** Into the queue of this node. Undefined: it has not the right, among several. */
  #push(question: Question, tell: Tell, fence?: number): Asked | undefined {
    const queue = this.#types.get(question.type)
    if (this.#shared?.mayBegin(question.type, fence) === false) return undefined
    const refusal = this.#refusal(queue, question.type)
    if (queue === undefined || refusal !== undefined) {
      return this.#refuse(refusal ?? noExecutor(question.type), tell)
    }
    const request = new Request(question, this.#clock.monotonic(), tell, queue)
    queue.push(request)
    return request
  }

  #refuse(error: NitkaError, asker: Asker): Asked {
    this.refused += 1
    asker.answer({ error })
    return nothing
  }

  /**
   * Asks as a client does, and waits for the answer.
   * @throws NitkaError what the executor threw, `timeout`, or why nobody answered: `not-found`, `overloaded`, `draining`;
   * `unavailable` its node was lost, and whether it was done is unknown, or no node answers the type at present
   */
  call(type: string, payload?: unknown, user = ''): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const answer = (outcome: Outcome): void => {
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.result)
      }
      this.ask({ type, payload, user }, { answer })
    })
  }

  /** All types that have an executor or a queue on this node, by name. */
  types(): readonly TypeView[] {
    const now = this.#clock.monotonic()
    const queues = [...this.#types.values()].sort((a, b) => (a.type < b.type ? -1 : 1))
    return queues.map((queue) => ({
      ...queue.counters,
      type: queue.type,
      waiting: queue.waiting,
      running: queue.running.length,
      executors: queue.registrations.length,
      concurrency: queue.registrations[0]?.concurrency ?? 0,
      ...ownerOf(this.#shared?.forwarding.owner(queue.type)),
      waitingMs: ages(queue.inLine(), now, ({ queuedAt }) => queuedAt),
      runningMs: ages(queue.byAge(), now, ({ startedAt = now }) => startedAt),
    }))
  }

  /** Requests that other nodes were asked, and those asked again because their type had moved. Types that are this node's. */
  get moves(): { readonly forwarded: number; readonly askedAgain: number; readonly owned: number } {
    const { forwarding, owned } = this.#shared ?? {}
    const { forwarded = 0, askedAgain = 0 } = forwarding ?? {}
    return { forwarded, askedAgain, owned: owned ?? this.#types.size }
  }

  /** Requests that wait, of all types. */
  get waiting(): number {
    let count = this.#shared?.forwarding.waiting ?? 0
    for (const queue of this.#types.values()) count += queue.waiting
    return count
  }

  /** Requests that run, of all types. */
  get running(): number {
    let count = 0
    for (const queue of this.#types.values()) count += queue.running.length
    return count
  }

  /**
   * @internal Begins nothing more: what runs may end, what waits is told so. Among several nodes what waits is asked at the
   * next one, which begins when nothing runs here any more, or after 5 s.
   */
  stop(): void {
    this.#stopped = true
    if (this.#shared?.others !== true) {
      for (const queue of this.#types.values()) queue.refuse(stopping())
      this.#shared?.forwarding.refuse(stopping())
    }
    this.#shared?.leaveAll()
  }

  /** @internal After `stop`: what still runs is answered with an error, while there is somebody to hear it. */
  abandon(): void {
    for (const queue of this.#types.values()) queue.abandon(stoppedWhileRunning(queue.type))
  }

  /** @internal Resolves when other nodes can have the types. */
  async close(): Promise<void> {
    this.stop()
    this.#timer.cancel()
    this.#shared?.forwarding.refuse(stopping())
    await this.#shared?.close()
  }

  #sweep(): void {
    for (const queue of this.#types.values()) if (queue.running.length > 0) queue.sweep()
    if (this.#shared === undefined) return
    this.#shared.check()
    for (const queue of this.#types.values()) {
      // The right may have come back without a word: a lease that was renewed late.
      if (queue.waiting > 0) queue.run()
      this.#forget(queue)
    }
  }

  #forget(queue: TypeQueue): void {
    if (!queue.idle || this.#shared?.forget(queue.type) === false) return
    if (this.#types.get(queue.type) === queue) this.#types.delete(queue.type)
  }

  #queue(type: string): TypeQueue {
    const known = this.#types.get(type)
    if (known !== undefined) return known
    if (this.#types.size >= this.#options.typesMax) {
      throw new NitkaError('overloaded', `there may be executors for ${this.#options.typesMax} types, no more`)
    }
    const make = (right?: Right): TypeQueue => new TypeQueue(type, () => this.#clock.monotonic(), this.#told, right)
    const queue = this.#shared?.queue(type, make) ?? make()
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

function ownerOf(owner: string | undefined): { owner?: string } {
  return owner === undefined ? {} : { owner }
}

function noExecutor(type: string): NitkaError {
  return new NitkaError('not-found', `there is no executor for ${type.slice(0, 128)}`, { field: 'type' })
}

function stopping(): NitkaError {
  return new NitkaError('draining', 'the server is stopping; come back')
}

function stoppedWhileRunning(type: string): NitkaError {
  return new NitkaError('draining', `the server stops and ${type} was not done in time; whether it was done is unknown`)
}

// The requests of one type: they wait in order of arrival for the type's executor, which works on one at a time, or on as
// many as it was registered for. Other types are not its business.

import { NitkaError } from '@nitka/protocol'
import { Fifo } from '../fifo.ts'
import type { Executor, Outcome, Request } from './request.ts'

export interface Registration {
  readonly executor: Executor
  /** Requests at one time. */
  readonly concurrency: number
  /** Milliseconds that a request may run, 0: no limit. */
  readonly timeoutMs: number
}

/** What became of the requests of a type, since the start. */
export interface TypeCounters {
  asked: number
  answered: number
  failed: number
  timedOut: number
  dropped: number
  /** Milliseconds in all. */
  waited: number
  ran: number
}

/** Whether this node may answer the type, now. */
export interface Right {
  /** Undefined: no. */
  readonly fence: number | undefined
  /** Whether it begins requests; it may have the right to end those that run, and no more. */
  readonly begins: boolean
}

/** Of a node that is alone. */
const always: Right = { fence: 0, begins: true }

/** Dropped requests that a queue may always keep. */
const droppedMax = 1_000

/** Told of each request that ended. */
export type Told = (request: Request, outcome: Outcome, waitedMs: number, ranMs: number) => void

export class TypeQueue {
  readonly type: string
  readonly counters: TypeCounters = { asked: 0, answered: 0, failed: 0, timedOut: 0, dropped: 0, waited: 0, ran: 0 }
  /** The first one works; the others stand by. */
  readonly registrations: Registration[] = []
  /** In no order. */
  readonly running: Request[] = []
  readonly #now: () => number
  readonly #told: Told | undefined
  readonly #right: Right
  readonly #waiting = new Fifo<Request>()
  #dropped = 0

  constructor(type: string, now: () => number, told: Told | undefined, right = always) {
    this.type = type
    this.#now = now
    this.#told = told
    this.#right = right
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.size - this.#dropped
  }

  get idle(): boolean {
    return this.waiting === 0 && this.running.length === 0 && this.registrations.length === 0
  }

  push(request: Request): void {
    this.counters.asked += 1
    this.#waiting.push(request)
    this.run(request.queuedAt)
  }

  /** Begins what may begin. @param now when it is known: reading the clock is a good part of a small request */
  run(now?: number): void {
    let at = now
    for (;;) {
      const registration = this.registrations[0]
      if (registration === undefined || this.running.length >= registration.concurrency) return
      const { fence, begins } = this.#right
      if (fence === undefined || !begins) return
      const request = this.#waiting.shift()
      if (request === undefined) return
      if (request.dropped) this.#dropped -= 1
      else {
        request.begin(at ?? this.#now(), fence)
        at = undefined
        this.#start(request, registration)
      }
    }
  }

  /** Whoever asked is gone: what waits is dropped, what runs runs to its end. */
  drop(request: Request): void {
    if (!request.wanted) return
    request.wanted = false
    this.counters.dropped += 1
    if (request.startedAt !== undefined) return
    request.dropped = true
    this.#dropped += 1
    // Behind a request that runs for long, what nobody waits for must not pile up.
    if (this.#dropped < droppedMax || this.#dropped * 2 < this.#waiting.size) return
    this.#waiting.keep((one) => !one.dropped)
    this.#dropped = 0
  }

  /** Those that run, oldest first. */
  byAge(): Request[] {
    return [...this.running].sort((one, other) => (one.startedAt ?? 0) - (other.startedAt ?? 0))
  }

  /** Ends what has run for too long. Its executor may go on; what it says is not heard. */
  sweep(): void {
    const timeoutMs = this.registrations[0]?.timeoutMs ?? 0
    if (timeoutMs === 0) return
    const now = this.#now()
    for (const request of this.byAge()) {
      if (now - (request.startedAt ?? now) < timeoutMs) continue
      this.counters.timedOut += 1
      this.#abort(request, new NitkaError('timeout', `${this.type} was not answered within ${timeoutMs} ms`))
    }
    this.run()
  }

  /** What runs is ended, and not heard; its executor should stop. Without `error`: the type is another node's. */
  abandon(error = unsure(this.type)): void {
    for (const request of this.byAge()) this.#abort(request, error)
  }

  /** Hands back what waits, in order, to be asked elsewhere; what cannot be is answered with an error. */
  move(error: NitkaError): void {
    for (let request = this.#waiting.shift(); request !== undefined; request = this.#waiting.shift()) {
      if (request.dropped) this.#dropped -= 1
      else if (!request.move()) this.#answer(request, { error })
    }
  }

  /** Answers everything that waits with an error. */
  refuse(error: NitkaError): void {
    for (let request = this.#waiting.shift(); request !== undefined; request = this.#waiting.shift()) {
      if (request.dropped) this.#dropped -= 1
      else this.#answer(request, { error })
    }
  }

  *inLine(): Generator<Request> {
    for (const request of this.#waiting) if (!request.dropped) yield request
  }

  #start(request: Request, { executor }: Registration): void {
    request.place = this.running.push(request) - 1
    let result: unknown
    try {
      result = executor(request.payload, request)
    } catch (thrown) {
      this.#end(request, { error: refusalOf(thrown) })
      return
    }
    if (!(result instanceof Promise)) {
      this.#end(request, { result })
      return
    }
    result.then(
      (value: unknown) => this.#settle(request, { result: value }),
      (thrown: unknown) => this.#settle(request, { error: refusalOf(thrown) }),
    )
  }

  #settle(request: Request, outcome: Outcome): void {
    // Another node may be at it by now: what this one did counts no more.
    const own = this.#right.fence === request.fence
    this.#end(request, own ? outcome : { error: unsure(this.type) })
    this.run()
  }

  #abort(request: Request, error: NitkaError): void {
    this.#end(request, { error })
    request.abort(error)
  }

  #end(request: Request, outcome: Outcome): void {
    if (request.place < 0) return // It was ended before: its time was over, or what another one's end set off.
    const { running } = this
    const last = running.pop()
    if (last !== undefined && last !== request) {
      running[request.place] = last
      last.place = request.place
    }
    request.place = -1
    this.#answer(request, outcome)
  }

  #answer(request: Request, outcome: Outcome): void {
    const now = this.#now()
    const started = request.startedAt ?? now
    const { counters } = this
    counters.waited += started - request.queuedAt
    counters.ran += now - started
    if ('error' in outcome) counters.failed += 1
    else counters.answered += 1
    request.answer(outcome)
    this.#told?.(request, outcome, started - request.queuedAt, now - started)
  }
}

function unsure(type: string): NitkaError {
  return new NitkaError('unavailable', `${type} has gone to another node meanwhile; whether it was done is unknown`)
}

/** What a client is told of what an executor threw. */
function refusalOf(thrown: unknown): NitkaError {
  if (thrown instanceof NitkaError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new NitkaError('failed', message.slice(0, 1_000) || 'the executor failed', { cause: thrown })
}

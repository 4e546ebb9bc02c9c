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

/** Dropped requests that a queue may always keep. */
const droppedMax = 1_000

/** Told of each request that ended. */
export type Told = (request: Request, outcome: Outcome, waitedMs: number, ranMs: number) => void

export class TypeQueue {
  readonly type: string
  readonly counters: TypeCounters = { asked: 0, answered: 0, failed: 0, timedOut: 0, dropped: 0, waited: 0, ran: 0 }
  /** The first one works; the others stand by. */
  readonly registrations: Registration[] = []
  readonly running = new Set<Request>()
  readonly #now: () => number
  readonly #told: Told | undefined
  readonly #waiting = new Fifo<Request>()
  #dropped = 0

  constructor(type: string, now: () => number, told: Told | undefined) {
    this.type = type
    this.#now = now
    this.#told = told
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.size - this.#dropped
  }

  get idle(): boolean {
    return this.waiting === 0 && this.running.size === 0 && this.registrations.length === 0
  }

  push(request: Request): void {
    this.counters.asked += 1
    this.#waiting.push(request)
    this.run()
  }

  /** Begins what may begin. */
  run(): void {
    for (;;) {
      const registration = this.registrations[0]
      if (registration === undefined || this.running.size >= registration.concurrency) return
      const request = this.#waiting.shift()
      if (request === undefined) return
      if (request.dropped) this.#dropped -= 1
      else this.#start(request, registration)
    }
  }

  /** Whoever asked is gone: what waits is dropped, what runs runs to its end. */
  readonly drop = (request: Request): void => {
    if (request.answer === undefined) return
    request.answer = undefined
    this.counters.dropped += 1
    if (request.startedAt !== undefined) return
    request.dropped = true
    this.#dropped += 1
    // Behind a request that runs for long, what nobody waits for must not pile up.
    if (this.#dropped < droppedMax || this.#dropped * 2 < this.#waiting.size) return
    this.#waiting.keep((one) => !one.dropped)
    this.#dropped = 0
  }

  /** Ends what has run for too long. Its executor may go on; what it says is not heard. */
  sweep(): void {
    const timeoutMs = this.registrations[0]?.timeoutMs ?? 0
    if (timeoutMs === 0) return
    const now = this.#now()
    for (const request of [...this.running]) {
      if (now - (request.startedAt ?? now) < timeoutMs) continue
      this.counters.timedOut += 1
      const error = new NitkaError('timeout', `${this.type} was not answered within ${timeoutMs} ms`)
      this.#end(request, { error })
      request.abort(error)
    }
    this.run()
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
    request.startedAt = this.#now()
    this.running.add(request)
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
    if (!this.running.has(request)) return // Its time was over before.
    this.#end(request, outcome)
    this.run()
  }

  #end(request: Request, outcome: Outcome): void {
    this.running.delete(request)
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
    const { answer } = request
    request.answer = undefined
    answer?.(outcome)
    this.#told?.(request, outcome, started - request.queuedAt, now - started)
  }
}

/** What a client is told of what an executor threw. */
function refusalOf(thrown: unknown): NitkaError {
  if (thrown instanceof NitkaError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new NitkaError('failed', message.slice(0, 1_000) || 'the executor failed', { cause: thrown })
}

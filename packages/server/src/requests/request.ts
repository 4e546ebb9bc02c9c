// One request on its way: asked, waiting, running, answered. It is answered once, or dropped with whoever asked.

import type { NitkaError } from '@nitka/protocol'

/** What an executor may know of the request that it answers. */
export interface RequestContext {
  readonly type: string
  /** Who asks; '' for nobody in particular. */
  readonly user: string
  /** Aborted when the time is over: whoever asked has been answered then. */
  readonly signal: AbortSignal
}

/**
 * Answers requests of a type: a JSON value, or a promise of one. What it throws is the error that the client gets: of a
 * NitkaError its code, of every error its message.
 */
export type Executor = (payload: unknown, context: RequestContext) => unknown

/** How a request came out. */
export type Outcome = { readonly result: unknown } | { readonly error: NitkaError }

export interface Question {
  readonly type: string
  readonly payload: unknown
  readonly user: string
}

export class Request implements RequestContext {
  readonly type: string
  readonly payload: unknown
  readonly user: string
  /** Monotonic. */
  readonly queuedAt: number
  startedAt: number | undefined
  /** Told the outcome, once. Undefined: it was told, or nobody wants to hear it. */
  answer: ((outcome: Outcome) => void) | undefined
  /** Whoever asked is gone. */
  dropped = false
  #abort: AbortController | undefined
  readonly #drop: (request: Request) => void

  constructor(
    question: Question,
    queuedAt: number,
    tell: { answer: (outcome: Outcome) => void; drop: (request: Request) => void },
  ) {
    this.type = question.type
    this.payload = question.payload
    this.user = question.user
    this.queuedAt = queuedAt
    this.answer = tell.answer
    this.#drop = tell.drop
  }

  /** Whether it has not begun. */
  get waiting(): boolean {
    return this.startedAt === undefined && this.answer !== undefined
  }

  /** Nobody wants the answer any more. */
  drop(): void {
    this.#drop(this)
  }

  /** Made when it is asked for: most executors do not. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  abort(reason: NitkaError): void {
    this.#abort?.abort(reason)
  }
}

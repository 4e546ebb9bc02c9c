// One request on its way: asked, waiting, running, answered. It is answered once, or dropped with whoever asked.

import type { NitkaError } from '@nitka/protocol'

/** What an executor may know of the request that it answers. */
export interface RequestContext {
  readonly type: string
  /** Who asks; '' for nobody in particular. */
  readonly user: string
  /**
   * The number under which this node answers the type: it grows with every change of node, so what the executor writes
   * elsewhere can refuse a smaller one. 0: there is one node only.
   */
  readonly fence: number
  /** Aborted when the time is over, or the type has gone to another node: whoever asked has been answered then. */
  readonly signal: AbortSignal
}

/**
 * Answers requests of a type: a JSON value, or a promise of one. What it throws is the error that the client gets: of a
 * NitkaError its code, of every error its message.
 */
export type Executor = (payload: unknown, context: RequestContext) => unknown

/** How a request came out. */
export type Outcome = { readonly result: unknown } | { readonly error: NitkaError }

/** A request that was asked. */
export interface Asked {
  /** Whether it has not begun. */
  readonly waiting: boolean
  /** Nobody wants the answer any more: it is dropped, unless it runs. */
  drop(): void
}

export interface Question {
  readonly type: string
  readonly payload: unknown
  readonly user: string
}

/** Whoever asks. */
export interface Asker {
  /** Called once, at once or later, unless the request is dropped. */
  answer(outcome: Outcome): void
}

/** What is told of a request on its way. Not `answer` when it is moved. */
export interface Tell extends Asker {
  /** It begins. */
  begun?(): void
  /** It waited, and is this node's no more: it is to be asked where its type is now. */
  moved?(): void
}

/** Where a request stands. */
interface Line {
  drop(request: Request): void
}

export class Request implements RequestContext {
  readonly type: string
  readonly payload: unknown
  readonly user: string
  /** Monotonic. */
  readonly queuedAt: number
  startedAt: number | undefined
  fence = 0
  /** Whether somebody waits for the outcome, and was not told it. */
  wanted = true
  /** Whoever asked went before it began. */
  dropped = false
  /** Where it is among those that run. */
  place = -1
  #abort: AbortController | undefined
  readonly #line: Line
  readonly #tell: Tell

  constructor(question: Question, queuedAt: number, tell: Tell, line: Line) {
    this.type = question.type
    this.payload = question.payload
    this.user = question.user
    this.queuedAt = queuedAt
    this.#line = line
    this.#tell = tell
  }

  /** Whether it has not begun. */
  get waiting(): boolean {
    return this.startedAt === undefined && this.wanted
  }

  /** Nobody wants the answer any more. */
  drop(): void {
    this.#line.drop(this)
  }

  begin(now: number, fence: number): void {
    this.startedAt = now
    this.fence = fence
    this.#tell.begun?.()
  }

  /** Tells whoever asked, when they still wait. */
  answer(outcome: Outcome): void {
    if (!this.wanted) return
    this.wanted = false
    this.#tell.answer(outcome)
  }

  /** Hands it back to whoever asked. False: that is not wished. */
  move(): boolean {
    if (this.#tell.moved === undefined) return false
    this.wanted = false
    this.#tell.moved()
    return true
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

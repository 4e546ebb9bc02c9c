// One request that this node asks of the node that answers its type, and the line in which it stands.

import type { Call } from '../nodes/asked-of.ts'
import type { Owner } from '../nodes/ownership.ts'
import type { Asked, Outcome, Question } from './request.ts'

/** A request on its way to the node that answers its type. */
export class Forwarded implements Asked {
  readonly question: Question
  /** Undefined: it was told, or nobody wants to hear it. */
  answer: ((outcome: Outcome) => void) | undefined
  /** Where it was asked. */
  at: Owner | undefined
  begun = false
  /** Of what was asked elsewhere. */
  call: Call | undefined
  asked: Asked | undefined
  askedAt = 0
  /** Monotonic: since when it has no node, and when the next one is asked at the earliest. */
  since: number
  notBefore = 0
  readonly #left: (forwarded: Forwarded) => void

  constructor(
    question: Question,
    since: number,
    tell: { answer: (outcome: Outcome) => void; left: (one: Forwarded) => void },
  ) {
    this.question = question
    this.since = since
    this.answer = tell.answer
    this.#left = tell.left
  }

  /** Whether it is in a queue of this node. */
  get here(): boolean {
    return this.asked !== undefined
  }

  get runs(): boolean {
    return this.begun || this.call?.begun === true
  }

  get waiting(): boolean {
    return this.answer !== undefined && !this.runs
  }

  drop(): void {
    if (this.answer === undefined) return
    this.answer = undefined
    this.call?.drop()
    this.asked?.drop()
    this.#left(this)
  }
}

/** Requests of a type, wherever they are asked. */
export interface ForwardedLine {
  readonly type: string
  /** In the order of their asking. */
  readonly all: Set<Forwarded>
  /** Where all that wait are asked; undefined: some are not, or elsewhere. */
  at: Owner | undefined
  dirty: boolean
}

// Appends and tasks of one call: all are stored, or none.

import type { Together } from '../engine.ts'
import type { AppendOperation } from './append.ts'
import type { Draft, Operation } from './draft.ts'
import type { AddOperation } from './task-add.ts'

export class TogetherOperation implements Operation<Together> {
  readonly bytes: number
  readonly essential = false
  readonly #append: AppendOperation
  readonly #add: AddOperation

  constructor(append: AppendOperation, add: AddOperation) {
    this.#append = append
    this.#add = add
    this.bytes = append.bytes + add.bytes
  }

  ask(draft: Draft): void {
    this.#append.ask(draft)
    this.#add.ask(draft)
  }

  /** Either half may refuse; neither has written anything then. */
  plan(draft: Draft): Together {
    this.#append.decide()
    this.#add.decide()
    return { appended: this.#append.write(draft), added: this.#add.write(draft) }
  }
}

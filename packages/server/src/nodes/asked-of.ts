// What this node has asked of one other node and has no answer to yet.

import { NitkaError } from '@nitka/protocol'
import { readToldError, type ToldError } from './told-error.ts'
import type { Frame } from './work.ts'

/** A question that is under way. */
export interface Call {
  /**
   * @throws NitkaError what the other node answered; `unavailable` it is gone, or forgot what it answered: whether it was done
   * is unknown, unless `begun` is false
   */
  readonly answer: Promise<unknown>
  /** Whether the other node has said that it began. */
  readonly begun: boolean
  /** The answer is wanted no more; the other node is told once. `answer` stays open. */
  drop(): void
}

interface Open {
  readonly ask: Frame
  readonly resolve: (value: unknown) => void
  readonly reject: (error: NitkaError) => void
  taken: boolean
  begun: boolean
  /** Checks that it was not heard of in. */
  silent: number
}

export class AskedOf {
  readonly #send: (frame: Frame) => void
  readonly #open = new Map<number, Open>()
  readonly #next: () => number

  /** @param next numbers that grow */
  constructor(send: (frame: Frame) => void, next: () => number) {
    this.#send = send
    this.#next = next
  }

  get size(): number {
    return this.#open.size
  }

  ask(name: string, params: unknown): Call {
    const number = this.#next()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const ask: Frame = ['ask', number, name, params ?? null, this.#oldest(number)]
    const open: Open = { ask, resolve, reject, taken: false, begun: false, silent: 0 }
    // First, so that nothing is left when it is no JSON.
    this.#send(ask)
    this.#open.set(number, open)
    return {
      answer: promise,
      get begun() {
        return open.begun
      },
      drop: () => {
        if (this.#open.delete(number)) this.#send(['drop', number])
      },
    }
  }

  /** Hears what the other node says of questions. */
  take(frame: Frame): void {
    const [kind, number] = frame
    const open = this.#open.get(number)
    if (open === undefined) {
      // It says again what was heard, or what is not wanted any more.
      if (kind === 'answer') this.#send(['heard', number])
      return
    }
    open.silent = 0
    if (kind === 'taken') open.taken = true
    else if (kind === 'begun') {
      open.taken = true
      open.begun = true
    } else if (kind === 'answer') this.#answered(number, open, frame)
    else if (kind === 'unknown' && !open.begun) this.#send(open.ask)
    else if (kind === 'unknown' || kind === 'forgotten') {
      // A node that had begun and knows nothing of it took this one for gone meanwhile: it must not begin again.
      this.#open.delete(number)
      open.begun = true
      open.reject(new NitkaError('unavailable', 'the answer of another node was lost; whether it was done is unknown'))
    }
  }

  /** Asks after everything that was not heard of for a while. */
  check(): void {
    const silent: number[] = []
    for (const [number, open] of this.#open) if (open.silent++ > 0) silent.push(number)
    for (let i = 0; i < silent.length; i += checkedAtOnce) {
      this.#send(['check', 0, silent.slice(i, i + checkedAtOnce)])
    }
  }

  /** The other node is gone. */
  end(): void {
    for (const { reject } of this.#open.values())
      reject(new NitkaError('unavailable', 'the node that was asked is gone'))
    this.#open.clear()
  }

  #answered(number: number, open: Open, frame: Frame): void {
    this.#open.delete(number)
    this.#send(['heard', number])
    const [, , ok, value] = frame as unknown as [string, number, boolean, unknown]
    if (ok) open.resolve(value)
    else open.reject(readToldError(value as ToldError))
  }

  /** The oldest question that is open: what is older the other node need not remember. */
  #oldest(current: number): number {
    const [first = current] = this.#open.keys()
    return first
  }
}

const checkedAtOnce = 5_000

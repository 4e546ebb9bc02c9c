// One call for pools on its way to wherever they are, until it is answered or dropped.

import type { OperationName } from './operations.ts'
import type { Caller } from './period.ts'

/** What can be asked of the node that has the pools. */
export type CallName = OperationName | 'gone' | 'dropWaiters'

export interface PoolAsk {
  readonly name: CallName
  readonly caller: Caller
  readonly wish: unknown
}

export class PoolCall {
  readonly #ask: PoolAsk
  readonly #since: number
  /** Rejects when the call is dropped. */
  readonly dropped: Promise<never>
  #reject: (error: Error) => void

  /** @param since when it was asked, monotonic */
  constructor(ask: PoolAsk, since: number) {
    this.#ask = ask
    this.#since = since
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => undefined)
    this.dropped = promise
    this.#reject = reject
  }

  get name(): CallName {
    return this.#ask.name
  }

  /** What to ask now: who waits for resources has waited for some of the time already. */
  ask(now: number): PoolAsk {
    if (this.name !== 'acquire') return this.#ask
    const wish = this.#ask.wish as { readonly wait?: number }
    if (wish.wait === undefined) return this.#ask
    return { ...this.#ask, wish: { ...wish, wait: Math.max(0, Math.ceil(wish.wait - (now - this.#since))) } }
  }

  drop(error: Error): void {
    this.#reject(error)
  }
}

// The token: kept while it is good, asked for again before it ends or when it was refused.

import type { World } from './world.ts'

/** A token, or how to get one. Asked once per token: at first, when it is about to end, and when it was refused. */
export type TokenSource = string | (() => string | Promise<string>)

/** A new one is asked for this long before the old one ends, or at nine tenths of a shorter life. */
const aheadMs = 30_000
const againMs = 5_000
/** A source that goes on giving the old one is not asked more often than that. */
const renewMinMs = 1_000

export class Tokens {
  readonly #source: TokenSource | undefined
  readonly #world: World
  #token: string | undefined
  #asked = 0
  #cancel: (() => void) | undefined

  constructor(source: TokenSource | undefined, world: World) {
    this.#source = source
    this.#world = world
  }

  /** Whether there can be another one. */
  get renewable(): boolean {
    return typeof this.#source === 'function'
  }

  async get(): Promise<string | undefined> {
    if (typeof this.#source !== 'function') return this.#source
    if (this.#token !== undefined) return this.#token
    const asked = ++this.#asked
    const token = await this.#source()
    // One that was asked for later may be here already: it is the newer one.
    if (asked === this.#asked) this.#token = token
    return token
  }

  /** It was refused, or has ended. */
  forget(): void {
    this.#token = undefined
  }

  /** The server took it; `renew` is given the next one in time. */
  good(expiresInMs: number | undefined, renew: (token: string) => Promise<void>): void {
    this.stop()
    if (expiresInMs === undefined || !this.renewable) return
    this.#again(Math.max(expiresInMs - aheadMs, expiresInMs * 0.9, renewMinMs), renew)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #again(ms: number, renew: (token: string) => Promise<void>): void {
    this.#cancel = this.#world.after(ms, async () => {
      const cancel = this.#cancel
      this.forget()
      const done = await this.get()
        .then((token) => renew(token ?? ''))
        .then(
          () => true,
          () => false,
        )
      // The server ends the session if this does not succeed in time; then the next connection asks.
      if (!done && this.#cancel === cancel) this.#again(againMs, renew)
    })
  }
}

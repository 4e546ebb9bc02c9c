// Fencing numbers, taken from the store in blocks: a number costs no write of its own, and none comes twice, because a block
// is this process's before its first number is used.

import type { PoolStore } from './pool-store.ts'

const blockSize = 10_000

export class TokenSource {
  readonly #store: PoolStore
  #next = 0
  #end = 0
  /** The block after this one, being fetched. */
  #fetching: Promise<number> | undefined

  constructor(store: PoolStore) {
    this.#store = store
  }

  /** Has a block ready. */
  async fill(): Promise<void> {
    if (this.#next === this.#end) this.#begin(await this.#fetch())
  }

  /** The next number, at once as a rule. Each is larger than all before. */
  take(): number | Promise<number> {
    if (this.#end - this.#next === blockSize / 2) void this.#fetch().catch(ignore)
    if (this.#next < this.#end) return this.#next++
    return this.#wait()
  }

  async #wait(): Promise<number> {
    while (this.#next === this.#end) {
      const first = await this.#fetch()
      // Of those who waited for the block, the first one begins it.
      if (this.#next !== this.#end) break
      this.#begin(first)
    }
    return this.#next++
  }

  #begin(first: number): void {
    this.#fetching = undefined
    this.#next = first
    this.#end = first + blockSize
  }

  #fetch(): Promise<number> {
    this.#fetching ??= this.#store.tokens(blockSize).catch((error: unknown) => {
      this.#fetching = undefined
      throw error
    })
    return this.#fetching
  }
}

function ignore(): void {
  // Whoever needs the block asks again, and hears of it.
}

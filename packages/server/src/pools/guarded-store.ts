// The store as a node uses it while the pools are its own. After a write that failed, what is in memory and what is in the
// store may differ: nothing more is done with that memory then.

import { NitkaError } from '@nitka/protocol'
import type { PoolRecord, PoolStore, PoolWrite } from './pool-store.ts'

/** What was asked is to be asked again, where the pools are then. Nobody was told that it was done. */
export class Moved extends Error {}

/** Another node has the pools, or whether it was done is unknown; what it was is the same when it is asked again. */
const passing: readonly string[] = ['conflict', 'unavailable', 'internal']

export class GuardedStore implements PoolStore {
  readonly #store: PoolStore
  readonly #onFailed: () => void

  constructor(store: PoolStore, onFailed: () => void) {
    this.#store = store
    this.#onFailed = onFailed
  }

  load(): Promise<readonly PoolRecord[]> {
    return this.#store.load()
  }

  save(writes: readonly PoolWrite[]): Promise<void> {
    return this.#watched(this.#store.save(writes))
  }

  tokens(count: number): Promise<number> {
    return this.#watched(this.#store.tokens(count))
  }

  under(): PoolStore {
    return this
  }

  async #watched<T>(done: Promise<T>): Promise<T> {
    try {
      return await done
    } catch (error) {
      this.#onFailed()
      if (error instanceof NitkaError && passing.includes(error.code)) throw new Moved(error.message, { cause: error })
      throw error
    }
  }
}

// Records of pools in memory that several nodes share, each write under a fence as in the record of a cluster: it is done a
// little later, whole and in order, and refused when the unit is another's by then.

import { NitkaError } from '@nitka/protocol'
import type { Guard, PoolRecord, PoolStore, PoolWrite } from '../src/pools/pool-store.ts'
import type { Clock } from '../src/world.ts'
import type { FakeOwners } from './fake-ownership.ts'

/** `lost`: done, and the answer is lost. `undone`: not done, and whoever asked does not know. */
export type WriteFate = 'done' | 'lost' | 'undone'

/** Of one store under a guard: after a write that failed there are no others. */
interface Order {
  broken: boolean
}

export class GuardedRecords {
  readonly records = new Map<string, PoolRecord>()
  /** Writes that were refused because the unit was another's. */
  refused = 0
  fate: () => WriteFate = () => 'done'
  readonly #owners: FakeOwners
  readonly #clock: Clock
  #tokens = 0

  constructor(owners: FakeOwners, clock: Clock) {
    this.#owners = owners
    this.#clock = clock
  }

  /** The store of one node. */
  store(guard?: Guard): PoolStore {
    const order: Order = { broken: false }
    return {
      load: () => this.#done(undefined, () => [...this.records.values()]),
      save: (writes) => this.#done(guard, () => this.#save(writes), order),
      tokens: (count) =>
        this.#done(guard, () => {
          this.#tokens += count
          return this.#tokens - count + 1
        }),
      under: (by) => this.store(by),
    }
  }

  #save(writes: readonly PoolWrite[]): void {
    for (const write of writes) {
      const key = `${write.kind} ${write.pool} ${write.id}`
      if ('value' in write) this.records.set(key, write)
      else this.records.delete(key)
    }
  }

  #done<T>(guard: Guard | undefined, run: () => T, order?: Order): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#clock.after(writeMs, () => {
        const fails = (error: NitkaError): void => {
          if (order !== undefined) order.broken = true
          reject(error)
        }
        if (order?.broken === true) return reject(new NitkaError('conflict', 'a write before this one failed'))
        const owner = guard && this.#owners.owner(guard.unit)
        if (guard !== undefined && (owner?.node !== guard.node || owner.fence !== guard.fence)) {
          this.refused++
          return fails(new NitkaError('conflict', 'the unit is another node’s'))
        }
        const fate = guard === undefined ? 'done' : this.fate()
        if (fate === 'undone') return fails(new NitkaError('unavailable', 'whether it was done is unknown'))
        const value = run()
        if (fate === 'lost') fails(new NitkaError('unavailable', 'whether it was done is unknown'))
        else resolve(value)
      })
    })
  }
}

const writeMs = 10

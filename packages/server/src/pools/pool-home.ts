// Where the pools and bookings are: on this node alone, or on the one of several that has them. The home of one node is here.

import { Bookings } from './bookings.ts'
import { type LocalPools, type OperationName, operate, type Result, type Wish } from './operations.ts'
import type { PoolStore } from './pool-store.ts'
import { Pools } from './pools.ts'
import type { Holder, PoolsOptions, PoolsParts } from './terms.ts'

/** Of this node: what it has in memory, and what it has done since its start. */
export interface PoolCounts {
  readonly size: number
  readonly holds: number
  readonly waiting: number
  readonly acquired: number
  readonly released: number
  readonly expired: number
  readonly unserved: number
  readonly booked: number
  /** Calls that another node answered. */
  readonly forwarded: number
  /** 1: the pools are this node's. */
  readonly owned: number
}

export interface PoolHome {
  readonly counts: PoolCounts
  /** Asks wherever the pools are. Errors as of `Pools` and `Bookings`, and `unavailable`. */
  run<Name extends OperationName>(name: Name, holder: Holder, wish: Wish<Name>): Promise<Result<Name>>
  dropWaiters(owner: object): void
  gone(owner: object, clean: boolean): void
  /** Another node may have the pools. */
  stop(): void
  /** Ends nothing of what is held. Resolves when another node can have it. */
  close(): Promise<void>
}

export interface HomeParts extends PoolsParts {
  readonly onBookingError: (error: unknown) => void
}

export interface HomeOptions extends PoolsOptions {
  /** Of one pool, 0: no limit. */
  readonly bookingsMax: number
}

/** Opens both from the store. */
export async function openLocal(parts: HomeParts, options: HomeOptions, store: PoolStore): Promise<LocalPools> {
  const { clock, random, onBookingError: onError } = parts
  const pools = await Pools.open({ ...parts, store }, options)
  try {
    const bookings = await Bookings.open({ store, pools, clock, random, onError }, options.bookingsMax)
    return { pools, bookings, now: () => clock.monotonic() }
  } catch (error) {
    pools.close()
    throw error
  }
}

export class OneHome implements PoolHome {
  readonly #local: LocalPools

  static async open(parts: HomeParts, options: HomeOptions): Promise<OneHome> {
    return new OneHome(await openLocal(parts, options, parts.store))
  }

  private constructor(local: LocalPools) {
    this.#local = local
  }

  get counts(): PoolCounts {
    const { size, holds, waiting, acquired, released, expired, unserved } = this.#local.pools
    const { booked } = this.#local.bookings
    return { size, holds, waiting, acquired, released, expired, unserved, booked, forwarded: 0, owned: 1 }
  }

  async run<Name extends OperationName>(name: Name, holder: Holder, wish: Wish<Name>): Promise<Result<Name>> {
    return operate(this.#local, name, { holder, wish })
  }

  dropWaiters(owner: object): void {
    this.#local.pools.dropWaiters(owner)
  }

  gone(owner: object, clean: boolean): void {
    this.#local.pools.gone(owner, clean)
  }

  stop(): void {
    // There is no other node.
  }

  async close(): Promise<void> {
    this.#local.pools.close()
    this.#local.bookings.close()
  }
}

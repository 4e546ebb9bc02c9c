// Pools: resources that one holder has at a time, handed out first come first served, all of a request or none. Owns the
// holds, their time and their tokens, in memory; what it answers is in the store before.

import { NitkaError } from '@nitka/protocol'
import { Alarm } from './alarm.ts'
import { busy, type HoldView, viewOf } from './hold-view.ts'
import { Holds } from './holds.ts'
import { loadPools } from './loading.ts'
import { type Hold, Pool, type Resource, type Waiter } from './pool.ts'
import type { PoolRecord, PoolWrite } from './pool-store.ts'
import { holdRecord, resourceRecord } from './records.ts'
import { type Acquire, type Holder, newId, type PoolsOptions, type PoolsParts } from './terms.ts'
import { TokenSource } from './token-source.ts'
import { Waiters } from './waiters.ts'

const nobody = {}

/** Of a hold that is asked for. */
interface Terms {
  readonly id: string
  readonly pool: Pool
  readonly ttlMs: number
  readonly detached: boolean
  /** Monotonic. */
  readonly askedAt: number
}

/** Pools of resources that one holder has at a time. */
export class Pools {
  acquired = 0
  released = 0
  /** Holds that ended by their time or with their connection. */
  expired = 0
  /** Requests that were not served: nothing free in time, or whoever asked left. */
  unserved = 0
  readonly #parts: PoolsParts
  readonly #options: PoolsOptions
  readonly #tokens: TokenSource
  readonly #pools = new Map<string, Pool>()
  readonly #holds = new Holds()
  readonly #waiters = new Waiters()
  readonly #alarm: Alarm
  #closed = false

  /** @internal Reads the store: holds are kept over a restart, until their time. */
  static async open(parts: PoolsParts, options: PoolsOptions): Promise<Pools> {
    const pools = new Pools(parts, options)
    await pools.#load()
    return pools
  }

  private constructor(parts: PoolsParts, options: PoolsOptions) {
    this.#parts = parts
    this.#options = options
    this.#tokens = new TokenSource(parts.store)
    const next = (): number => Math.min(this.#holds.next ?? Infinity, this.#waiters.next ?? Infinity)
    this.#alarm = new Alarm(parts.clock, next, () => this.#sweep())
  }

  /** How many pools there are. */
  get size(): number {
    return this.#pools.size
  }

  /** How many holds there are. */
  get holds(): number {
    return this.#holds.size
  }

  /** How many wait for resources. */
  get waiting(): number {
    return this.#waiters.size
  }

  /** @internal */ all(): Iterable<Pool> {
    return this.#pools.values()
  }

  /** @internal @throws NitkaError `not-found` */
  pool(name: string): Pool {
    const pool = this.#pools.get(name)
    if (pool === undefined) throw new NitkaError('not-found', `there is no pool ${name}`, { field: 'pool' })
    return pool
  }

  /** Adds resources, and the pool when it is new; known ones get the new data. Durable when resolved. Gives how many are new. */
  async add(name: string, resources: readonly { readonly id: string; readonly data?: unknown }[]): Promise<number> {
    const pool = this.#pools.get(name) ?? new Pool(name)
    const { poolsMax, resourcesMax } = this.#options
    const fresh = new Set(resources.map(({ id }) => id).filter((id) => !pool.resources.has(id))).size
    if (!this.#pools.has(name) && poolsMax !== 0 && this.#pools.size >= poolsMax) {
      throw new NitkaError('overloaded', `there may be ${poolsMax} pools, no more`, { field: 'pool' })
    }
    if (resourcesMax !== 0 && pool.resources.size + fresh > resourcesMax) {
      throw new NitkaError('overloaded', `a pool may have ${resourcesMax} resources, no more`, { field: 'resources' })
    }
    this.#pools.set(name, pool)
    for (const { id, data } of resources) pool.add(id, data)
    const writes = resources.flatMap(({ id }) => {
      const resource = pool.resources.get(id)
      return resource === undefined ? [] : [resourceRecord(name, resource)]
    })
    const saved = this.#parts.store.save(writes)
    this.#serve(pool)
    await saved
    return fresh
  }

  /** Removes resources, held ones when they are free again. Durable when resolved. Gives how many were known. */
  async remove(name: string, ids: readonly string[]): Promise<number> {
    const pool = this.pool(name)
    const found = ids.flatMap((id) => pool.resources.get(id) ?? [])
    for (const resource of found) pool.remove(resource)
    if (pool.empty) this.#pools.delete(name)
    // Of a held one the hold's record knows it until its end.
    await this.#parts.store.save(found.map(({ id }) => ({ kind: 'resource', pool: name, id })))
    return found.length
  }

  /**
   * Holds `count` resources, all or none; waits in line for up to `wait` milliseconds. Resolves when the hold is durable.
   * @param id of the hold; asked again with the id of a hold that is there, it is that hold
   * @throws NitkaError `busy` not free in time, `not-found` no such pool, `overloaded`
   */
  acquire(holder: Holder, wish: Acquire, id: string = newId(this.#parts.random)): Promise<HoldView> {
    const askedAt = this.#parts.clock.monotonic()
    const known = this.#holds.get(id)
    if (known !== undefined) return Promise.resolve(this.#view(known, askedAt))
    const pool = this.pool(wish.pool)
    const { count = 1, ttl = this.#options.ttlMs, wait = 0, detached = false } = wish
    this.#demandRoom(holder, pool)
    const terms: Terms = { id, pool, ttlMs: ttl, detached, askedAt }
    if (pool.open(count)) return this.#give(holder, pool.take(count), terms)
    if (wait === 0) {
      this.unserved += 1
      return Promise.reject(busy(pool, count))
    }
    return this.#wait(holder, terms, { count, wait })
  }

  /** Ends a hold. Durable when resolved. @throws NitkaError `not-found` it has ended, `forbidden` somebody else's */
  async release(holder: Holder, id: string): Promise<void> {
    const hold = this.#mine(holder, id)
    this.released += 1
    await this.#end([hold])
  }

  /**
   * Gives a hold `ttl` from now. Resolves to its new end when that is durable.
   * @throws NitkaError `not-found`, `forbidden`, `conflict` another token
   */
  async renew(holder: Holder, id: string, ttl: number = this.#options.ttlMs, token?: number): Promise<HoldView> {
    const hold = this.#mine(holder, id)
    if (token !== undefined && token !== hold.token) {
      throw new NitkaError('conflict', `the hold ${id} has the token ${hold.token}`, { field: 'token' })
    }
    const { clock, store } = this.#parts
    const askedAt = clock.monotonic()
    hold.full = askedAt + ttl
    hold.until = clock.now() + ttl
    this.#holds.endAt(hold, hold.full)
    this.#alarm.set()
    await store.save([this.#record(hold)])
    return this.#view(hold, askedAt)
  }

  /** Takes a hold over from the connection that was lost. @throws NitkaError as `renew` */
  async attach(holder: Holder, id: string): Promise<HoldView> {
    const askedAt = this.#parts.clock.monotonic()
    const hold = this.#mine(holder, id)
    this.#holds.disown(hold)
    if (!hold.detached && holder.owner !== undefined) this.#holds.own(hold, holder.owner)
    if (hold.ends !== hold.full) {
      this.#holds.endAt(hold, hold.full)
      this.#alarm.set()
    }
    if (this.#parts.connections !== undefined) await this.#parts.store.save([this.#record(hold)])
    return this.#view(hold, askedAt)
  }

  /** Whether the token is the one of the hold that has the resource now: for whoever guards it. */
  check(name: string, resource: string, token: number): boolean {
    const hold = this.#pools.get(name)?.resources.get(resource)?.hold
    return hold?.token === token && hold.ends > this.#parts.clock.monotonic()
  }

  /** @internal A connection will wait no longer. Its holds stay. */
  dropWaiters(owner: object): void {
    const pools = new Set<Pool>()
    for (const waiter of this.#waiters.of(owner)) {
      waiter.pool.leave(waiter)
      pools.add(waiter.pool)
      waiter.refuse(new NitkaError('busy', 'whoever waited is gone'))
    }
    for (const pool of pools) this.#serve(pool)
  }

  /** @internal A connection is gone. Its holds end, at once after a goodbye, else after a grace in which they can be attached. */
  gone(owner: object, clean: boolean): void {
    this.dropWaiters(owner)
    const holds = this.#holds.of(owner)
    if (holds.length === 0 || this.#closed) return
    if (clean) {
      this.expired += holds.length
      this.#end(holds).catch(this.#parts.onError)
      return
    }
    const graceEnds = this.#parts.clock.monotonic() + this.#options.graceMs
    for (const hold of holds) {
      this.#holds.disown(hold)
      if (hold.ends > graceEnds) this.#holds.endAt(hold, graceEnds)
    }
    this.#alarm.set()
  }

  /**
   * @internal Ends nothing: holds are there after the next start.
   * @param reason whoever waits is refused with it; absent: they are left alone
   */
  close(reason?: Error): void {
    this.#closed = true
    this.#alarm.close()
    if (reason !== undefined) for (const waiter of this.#waiters.all()) waiter.refuse(reason)
  }

  async #load(): Promise<void> {
    await this.#tokens.fill()
    await loadPools(this.#parts, this.#holds, (name) => this.#poolOf(name))
    this.#alarm.set()
  }

  #poolOf(name: string): Pool {
    const pool = this.#pools.get(name) ?? new Pool(name)
    this.#pools.set(name, pool)
    return pool
  }

  /** @throws NitkaError `overloaded` */
  #demandRoom({ owner }: Holder, pool: Pool): void {
    const { waitersMax, holdsPerOwnerMax } = this.#options
    if (waitersMax !== 0 && pool.waiting >= waitersMax) {
      throw new NitkaError('overloaded', `${waitersMax} wait for the pool ${pool.name} already`, { field: 'pool' })
    }
    if (owner === undefined || holdsPerOwnerMax === 0) return
    if (this.#holds.count(owner) + this.#waiters.count(owner) >= holdsPerOwnerMax) {
      throw new NitkaError('overloaded', `a connection may have ${holdsPerOwnerMax} holds, no more`)
    }
  }

  #wait(holder: Holder, terms: Terms, { count, wait }: { count: number; wait: number }): Promise<HoldView> {
    const { pool, ttlMs, detached, askedAt } = terms
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        ...{ pool, user: holder.user, owner: holder.owner ?? nobody, count, ttlMs, detached },
        ...{ since: askedAt, ends: askedAt + wait, over: false },
        serve: (resources) => {
          this.#waiters.delete(waiter)
          this.#give(holder, resources, terms).then(resolve, reject)
        },
        refuse: (error) => {
          this.unserved += 1
          this.#waiters.delete(waiter)
          reject(error)
        },
      }
      this.#waiters.add(waiter)
      this.#alarm.set()
    })
  }

  /** The resources are the holder's from here on; it hears of it when that is durable. */
  async #give(holder: Holder, resources: readonly Resource[], terms: Terms): Promise<HoldView> {
    const { clock, store } = this.#parts
    const { id, pool, ttlMs, detached, askedAt } = terms
    const token = this.#tokens.take()
    const since = clock.now()
    const ends = clock.monotonic() + ttlMs
    const hold: Hold = {
      ...{ id, pool, user: holder.user, resources, detached, since },
      ...{ token: typeof token === 'number' ? token : 0, until: since + ttlMs, ends, full: ends, owner: undefined },
    }
    this.#holds.add(hold)
    if (!detached && holder.owner !== undefined) this.#holds.own(hold, holder.owner)
    this.#alarm.set()
    if (typeof token !== 'number') {
      hold.token = await token
      // Whoever asked went meanwhile, and the hold with them.
      if (this.#holds.get(hold.id) !== hold) throw busy(pool, resources.length)
    }
    this.acquired += 1
    await store.save([this.#record(hold)])
    return this.#view(hold, askedAt)
  }

  #view(hold: Hold, askedAt: number): HoldView {
    return viewOf(hold, { now: this.#parts.clock.monotonic(), askedAt }, this.#options.graceMs)
  }

  #record(hold: Hold): PoolRecord {
    const { connections } = this.#parts
    return holdRecord(hold, hold.owner && connections?.nameOf(hold.owner))
  }

  /** Ends holds: their resources are free at once, whoever waits is served. Resolves when that is durable. */
  async #end(holds: readonly Hold[]): Promise<void> {
    const writes: PoolWrite[] = []
    const pools = new Set<Pool>()
    for (const hold of holds) {
      if (!this.#holds.delete(hold)) continue
      pools.add(hold.pool)
      writes.push({ kind: 'hold', pool: hold.pool.name, id: hold.id })
    }
    const saved = this.#parts.store.save(writes)
    for (const pool of pools) {
      this.#serve(pool)
      if (pool.empty) this.#pools.delete(pool.name)
    }
    await saved
  }

  /** Hands out what is free to those who wait, in their order. */
  #serve(pool: Pool): void {
    for (let waiter = pool.next(); waiter !== undefined; waiter = pool.next()) waiter.serve(pool.take(waiter.count))
  }

  /** @throws NitkaError `not-found`, `forbidden` */
  #mine({ user }: Holder, id: string): Hold {
    const hold = this.#holds.get(id)
    if (hold === undefined || hold.ends <= this.#parts.clock.monotonic()) {
      throw new NitkaError('not-found', 'there is no such hold, or it has ended', { field: 'hold' })
    }
    if (hold.user !== user) throw new NitkaError('forbidden', 'that hold is not yours', { field: 'hold' })
    return hold
  }

  #sweep(): void {
    const now = this.#parts.clock.monotonic()
    const ended = this.#holds.over(now)
    this.expired += ended.length
    if (ended.length > 0) this.#end(ended).catch(this.#parts.onError)
    for (let waiter = this.#waiters.takeOver(now); waiter !== undefined; waiter = this.#waiters.takeOver(now)) {
      const { pool } = waiter
      pool.leave(waiter)
      waiter.refuse(busy(pool, waiter.count))
      this.#serve(pool)
    }
  }
}

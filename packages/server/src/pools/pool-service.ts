// Pools as programs, dialects and routes use them, wherever they are.

import type { HoldView } from './hold-view.ts'
import type { Result } from './operations.ts'
import type { PoolCounts, PoolHome } from './pool-home.ts'
import type { Acquire, Holder } from './terms.ts'

const nobody: Holder = { user: '', owner: undefined }

/** Resources that one holder has at a time. Among several nodes one has the pools, and is asked; while none has, calls wait. */
export class PoolService {
  readonly #home: PoolHome

  /** @internal */
  constructor(home: PoolHome) {
    this.#home = home
  }

  /** @internal What this node has in memory, and has done. */
  get counts(): PoolCounts {
    return this.#home.counts
  }

  /** Requests that wait for resources on this node. */
  get waiting(): number {
    return this.#home.counts.waiting
  }

  /** Adds resources, or gives known ones new data. Durable when resolved. Gives how many are new. */
  add(pool: string, resources: readonly { readonly id: string; readonly data?: unknown }[]): Promise<number> {
    return this.#home.run('add', nobody, { pool, resources })
  }

  /** Removes resources, held ones when they are free again. Durable when resolved. Gives how many were known. */
  remove(pool: string, ids: readonly string[]): Promise<number> {
    return this.#home.run('remove', nobody, { pool, ids })
  }

  /**
   * Holds `count` resources, all or none; waits in line for up to `wait` milliseconds. Resolves when the hold is durable.
   * @throws NitkaError `busy` not free in time, `not-found` no such pool, `overloaded`, `unavailable`
   */
  acquire(holder: Holder, wish: Acquire): Promise<HoldView> {
    return this.#home.run('acquire', holder, wish)
  }

  /** Ends a hold. Durable when resolved. @throws NitkaError `not-found` it has ended, `forbidden` somebody else's */
  release(holder: Holder, hold: string): Promise<void> {
    return this.#home.run('release', holder, { hold })
  }

  /**
   * Gives a hold `ttl` from now. Resolves to its new end when that is durable.
   * @throws NitkaError `not-found`, `forbidden`, `conflict` another token
   */
  renew(holder: Holder, hold: string, ttl?: number, token?: number): Promise<HoldView> {
    const wish = { hold, ...(ttl === undefined ? {} : { ttl }), ...(token === undefined ? {} : { token }) }
    return this.#home.run('renew', holder, wish)
  }

  /** Takes a hold over from the connection that was lost. @throws NitkaError as `renew` */
  attach(holder: Holder, hold: string): Promise<HoldView> {
    return this.#home.run('attach', holder, { hold })
  }

  /** Whether the token is the one of the hold that has the resource now: for whoever guards it. */
  check(pool: string, resource: string, token: number): Promise<boolean> {
    return this.#home.run('check', nobody, { pool, resource, token })
  }

  /** @internal A pool as people see it. @throws NitkaError `not-found` */
  status(pool: string): Promise<object> {
    return this.#home.run('status', nobody, { pool })
  }

  /** @internal All pools in brief, by name. */
  list(): Promise<Result<'list'>> {
    return this.#home.run('list', nobody, {})
  }

  /** @internal A connection will wait no longer. Its holds stay. */
  dropWaiters(owner: object): void {
    this.#home.dropWaiters(owner)
  }

  /** @internal A connection is gone. Its holds end, at once after a goodbye, else after a grace in which they can be attached. */
  gone(owner: object, clean: boolean): void {
    this.#home.gone(owner, clean)
  }

  /** @internal The pools may go to another node. */
  stop(): void {
    this.#home.stop()
  }

  /** @internal Ends nothing: holds are there after the next start. */
  close(): Promise<void> {
    return this.#home.close()
  }
}

// What can be asked of pools, the same in the plain dialect (`pool.acquire`), in rpc (`pools.acquire`) and over HTTP.

import { type CallName, calls, compileCheck } from '@nitka/protocol/schemas'
import { bookingAnswer, holdAnswer } from './answers.ts'
import type { BookingService } from './booking-service.ts'
import type { BookWish } from './bookings.ts'
import type { PoolService } from './pool-service.ts'
import type { Acquire, Holder } from './terms.ts'

export interface PoolServices {
  readonly pools: PoolService
  readonly bookings: BookingService
}

type PoolAction = 'pools.acquire' | 'pools.read' | 'admin.pools'

export interface PoolCall {
  /** What is demanded of whoever asks, for the pool that is named. */
  readonly action: PoolAction
  /** Whether it gives the connection something to hold: not for one that went before it was permitted. */
  readonly binds: boolean
  /** The parameters, as the schema of the call wants them. @throws NitkaError `invalid` */
  readonly check: (params: unknown) => PoolParams
  readonly run: (services: PoolServices, holder: Holder, params: never) => unknown
}

interface PoolParams {
  /** Absent: the hold or booking names it. */
  readonly pool?: string
}

type PoolCallName = Extract<CallName, `pools.${string}`>

function call(name: PoolCallName, action: PoolAction, run: PoolCall['run']): PoolCall {
  const check = compileCheck(calls[name].params)
  const binds = name === 'pools.acquire' || name === 'pools.attach'
  return { action, binds, run, check: (params) => check(params ?? {}) as PoolParams }
}

interface ResourcesWish {
  readonly pool: string
  readonly resources: readonly (string | { readonly id: string; readonly data?: unknown })[]
}

/** By their names in rpc. */
export const poolCalls: Readonly<Record<PoolCallName, PoolCall>> = {
  'pools.acquire': call('pools.acquire', 'pools.acquire', async ({ pools }, holder, wish: Acquire) =>
    holdAnswer(await pools.acquire(holder, wish)),
  ),
  'pools.release': call('pools.release', 'pools.acquire', async ({ pools }, holder, { hold }: { hold: string }) => {
    await pools.release(holder, hold)
    return {}
  }),
  'pools.renew': call(
    'pools.renew',
    'pools.acquire',
    async ({ pools }, holder, { hold, ttl, token }: { hold: string; ttl?: number; token?: number }) =>
      holdAnswer(await pools.renew(holder, hold, ttl, token)),
  ),
  'pools.attach': call('pools.attach', 'pools.acquire', async ({ pools }, holder, { hold }: { hold: string }) =>
    holdAnswer(await pools.attach(holder, hold)),
  ),
  'pools.check': call(
    'pools.check',
    'pools.read',
    async ({ pools }, _holder, { pool, resource, token }: { pool: string; resource: string; token: number }) => ({
      held: await pools.check(pool, resource, token),
    }),
  ),
  'pools.add': call('pools.add', 'admin.pools', async ({ pools }, _holder, { pool, resources }: ResourcesWish) => {
    const list = resources.map((one) => (typeof one === 'string' ? { id: one } : one))
    return { added: await pools.add(pool, list) }
  }),
  'pools.remove': call(
    'pools.remove',
    'admin.pools',
    async ({ pools }, _holder, { pool, resources }: { pool: string; resources: readonly string[] }) => ({
      removed: await pools.remove(pool, resources),
    }),
  ),
  'pools.status': call('pools.status', 'pools.read', ({ pools }, _holder, { pool }: { pool: string }) =>
    pools.status(pool),
  ),
  'pools.list': call('pools.list', 'pools.read', async ({ pools }) => ({ pools: await pools.list() })),
  'pools.book': call(
    'pools.book',
    'pools.acquire',
    async (
      { bookings },
      { user },
      { from, to, ...wish }: Omit<BookWish, 'from' | 'to'> & { from: string; to: string },
    ) => bookingAnswer(await bookings.book(user, { ...wish, from: Date.parse(from), to: Date.parse(to) })),
  ),
  'pools.cancel': call(
    'pools.cancel',
    'pools.acquire',
    async ({ bookings }, { user }, { booking }: { booking: string }) => {
      await bookings.cancel(user, booking)
      return {}
    },
  ),
  'pools.calendar': call(
    'pools.calendar',
    'pools.read',
    async ({ bookings }, _holder, wish: { pool: string; from?: string; to?: string; resource?: string }) => {
      const list = await bookings.list(wish.pool, {
        ...(wish.from === undefined ? undefined : { from: Date.parse(wish.from) }),
        ...(wish.to === undefined ? undefined : { to: Date.parse(wish.to) }),
        ...(wish.resource === undefined ? undefined : { resource: wish.resource }),
      })
      return { bookings: list.map(bookingAnswer) }
    },
  ),
}

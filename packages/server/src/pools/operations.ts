// What can be asked of pools and bookings, by name: of this node, or of the one that has them. Wishes and results are JSON.

import type { Bookings, BookWish } from './bookings.ts'
import type { Pools } from './pools.ts'
import { poolLine, poolStatus } from './status.ts'
import type { Acquire, Holder } from './terms.ts'

/** Pools and bookings in memory. */
export interface LocalPools {
  readonly pools: Pools
  readonly bookings: Bookings
  /** Monotonic. */
  readonly now: () => number
}

type NewResource = { readonly id: string; readonly data?: unknown }
type HoldWish = { readonly hold: string }

export interface Range {
  readonly from?: number
  readonly to?: number
  readonly resource?: string
}

export const operations = {
  add: ({ pools }, _holder, wish: { readonly pool: string; readonly resources: readonly NewResource[] }) =>
    pools.add(wish.pool, wish.resources),
  remove: ({ pools }, _holder, wish: { readonly pool: string; readonly ids: readonly string[] }) =>
    pools.remove(wish.pool, wish.ids),
  acquire: ({ pools }, holder, { id, ...wish }: Acquire & { readonly id?: string }) => pools.acquire(holder, wish, id),
  release: ({ pools }, holder, { hold }: HoldWish) => pools.release(holder, hold),
  renew: ({ pools }, holder, { hold, ttl, token }: HoldWish & { readonly ttl?: number; readonly token?: number }) =>
    pools.renew(holder, hold, ttl, token),
  attach: ({ pools }, holder, { hold }: HoldWish) => pools.attach(holder, hold),
  check: ({ pools }, _holder, wish: { readonly pool: string; readonly resource: string; readonly token: number }) =>
    pools.check(wish.pool, wish.resource, wish.token),
  status: ({ pools, now }, _holder, { pool }: { readonly pool: string }) => poolStatus(pools.pool(pool), now()),
  list: ({ pools }) => [...pools.all()].map(poolLine).sort((a, b) => (a.pool < b.pool ? -1 : 1)),
  book: ({ bookings }, { user }, { id, ...wish }: BookWish & { readonly id?: string }) => bookings.book(user, wish, id),
  cancel: ({ bookings }, { user }, { booking }: { readonly booking: string }) => bookings.cancel(user, booking),
  calendar: ({ bookings }, _holder, { pool, ...range }: Range & { readonly pool: string }) =>
    bookings.list(pool, range),
} satisfies Readonly<Record<string, (local: LocalPools, holder: Holder, wish: never) => unknown>>

export type OperationName = keyof typeof operations
type Operation<Name extends OperationName> = (typeof operations)[Name]
export type Wish<Name extends OperationName> =
  Parameters<Operation<Name>> extends [unknown, unknown, infer Asked] ? Asked : Record<never, never>
export type Result<Name extends OperationName> = Awaited<ReturnType<Operation<Name>>>

/** Runs one. A fault of whoever asks is thrown, or rejected. */
export function operate<Name extends OperationName>(
  local: LocalPools,
  name: Name,
  { holder, wish }: { readonly holder: Holder; readonly wish: Wish<Name> },
): Result<Name> | Promise<Result<Name>> {
  const run = operations[name] as unknown as (local: LocalPools, holder: Holder, wish: Wish<Name>) => Result<Name>
  return run(local, holder, wish)
}

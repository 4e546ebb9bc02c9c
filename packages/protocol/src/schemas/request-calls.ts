// The calls of requests.* and pools.*

import Type from 'typebox'
import { type Call, Empty, strict } from './call.ts'
import * as Pool from './pools.ts'
import { RequestType } from './pools.ts'

export const requestCalls = {
  'requests.call': {
    doc: 'Asks: the answer is what the executor of the type returns. Dropped with the connection, unless it runs.',
    params: Type.Object({ type: RequestType, payload: Type.Optional(Type.Unknown()) }, strict),
    result: Type.Object({ result: Type.Unknown() }),
  },
  'requests.execute': {
    doc: 'Answers requests of a type with this connection, as `requests.execute` comes; other executors of the type stand by, or this one does.',
    params: Type.Object(
      { type: RequestType, concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })) },
      strict,
    ),
    result: Type.Object({ type: RequestType }),
  },
  'requests.stop': {
    doc: 'Answers no more of a type; what runs may still be answered.',
    params: Type.Object({ type: RequestType }, strict),
    result: Empty,
  },
  'requests.result': {
    doc: 'The answer to a `requests.execute`: a result, or the text of an error.',
    params: Type.Object(
      {
        id: Type.Integer({ minimum: 1 }),
        result: Type.Optional(Type.Unknown()),
        error: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000 })),
      },
      strict,
    ),
    result: Type.Object({ heard: Type.Boolean({ description: 'False: its time was over before.' }) }),
  },
  'requests.queue': {
    doc: 'Per type what waits and what runs, and for how long.',
    params: Empty,
    result: Type.Object({
      queue: Type.Array(Type.Object({ type: RequestType, waiting: Type.Integer(), running: Type.Integer() })),
    }),
  },
  'pools.acquire': {
    doc: 'Holds resources of a pool, all of `count` or none, first come first served.',
    params: Pool.Acquire,
    result: Pool.Hold,
  },
  'pools.release': { doc: 'Ends a hold.', params: Pool.Release, result: Empty },
  'pools.renew': { doc: 'Gives a hold its time, or another one, from now on.', params: Pool.Renew, result: Pool.Hold },
  'pools.attach': {
    doc: 'Takes a hold over, after the connection that it belonged to was lost.',
    params: Pool.Attach,
    result: Pool.Hold,
  },
  'pools.check': {
    doc: 'Whether a token is the one of whoever holds the resource now.',
    params: Pool.Check,
    result: Type.Object({ held: Type.Boolean() }),
  },
  'pools.add': {
    doc: 'Adds resources to a pool, and makes it; known ones get the new data.',
    params: Pool.AddResources,
    result: Type.Object({ added: Type.Integer() }),
  },
  'pools.remove': {
    doc: 'Removes resources, held ones when they are free again.',
    params: Pool.RemoveResources,
    result: Type.Object({ removed: Type.Integer() }),
  },
  'pools.status': { doc: 'Who holds what, and who waits.', params: Pool.InPool, result: Pool.PoolStatus },
  'pools.list': {
    doc: 'All pools, by name.',
    params: Empty,
    result: Type.Object({
      pools: Type.Array(
        Type.Object({
          pool: Pool.PoolName,
          total: Type.Integer(),
          free: Type.Integer(),
          holding: Type.Integer(),
          waiters: Type.Integer(),
        }),
      ),
    }),
  },
  'pools.book': { doc: 'Books resources for a time.', params: Pool.Book, result: Pool.Booking },
  'pools.cancel': { doc: 'Ends a booking of the caller.', params: Pool.Cancel, result: Empty },
  'pools.calendar': {
    doc: 'Bookings that touch a time, by time; from now on when it does not say. The first 500.',
    params: Pool.Calendar,
    result: Type.Object({ bookings: Type.Array(Pool.Booking) }),
  },
} as const satisfies Record<string, Call>

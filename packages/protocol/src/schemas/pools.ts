// The values of requests and pools: what is asked, held and booked, over TCP, rpc and HTTP alike.

import Type from 'typebox'
import { limits } from '../limits.ts'
import { Time } from './values.ts'

const strict = { additionalProperties: false } as const

export const RequestType = Type.String({ pattern: '^[\\w.:-]{1,128}$', description: 'A type of request.' })

export const PoolName = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$', description: 'A pool.' })

export const ResourceId = Type.String({ minLength: 1, maxLength: limits.nameBytes })

export const HoldId = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: 'Names a hold or booking; not to be guessed.',
})

export const Token = Type.Integer({
  minimum: 1,
  description: 'A fencing number: each hold has a larger one than all before.',
})

export const TtlMs = Type.Integer({
  minimum: 100,
  maximum: 60 * 60 * 1_000,
  description: 'How long it is held unless it is renewed, in milliseconds.',
})

export const Resource = Type.Object({ id: ResourceId, data: Type.Optional(Type.Unknown()) }, strict)

const Count = Type.Integer({ minimum: 1, maximum: limits.resourcesMax })

export const Hold = Type.Object({
  hold: HoldId,
  pool: PoolName,
  resources: Type.Array(Resource),
  token: Token,
  until: Time,
  leftMs: Type.Integer({ minimum: 0, description: 'Until then, in milliseconds, for those whose clock differs.' }),
  waitedMs: Type.Integer({
    minimum: 0,
    description:
      'How long the answer took, in milliseconds, waiting in line included. Counted from that long after asking, `leftMs` is never too long.',
  }),
  graceMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'How long it outlives its connection when that is lost, in milliseconds. Absent: it is not bound to one.',
    }),
  ),
})

export const Acquire = Type.Object(
  {
    pool: PoolName,
    count: Type.Optional(Type.Integer({ ...Count, description: 'How many at once, all or none. 1 when absent.' })),
    ttl: Type.Optional(TtlMs),
    wait: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 60 * 60 * 1_000,
        description: 'How long to wait in line, in milliseconds. 0 or absent: not at all.',
      }),
    ),
    detached: Type.Optional(Type.Boolean({ description: 'True: it outlives the connection, until its time.' })),
  },
  strict,
)

export const Release = Type.Object({ hold: HoldId }, strict)
export const Renew = Type.Object({ hold: HoldId, ttl: Type.Optional(TtlMs), token: Type.Optional(Token) }, strict)
export const Attach = Type.Object({ hold: HoldId }, strict)

export const AddResources = Type.Object(
  {
    pool: PoolName,
    resources: Type.Array(Type.Union([ResourceId, Resource]), { minItems: 1, maxItems: limits.resourcesMax }),
  },
  strict,
)

export const RemoveResources = Type.Object(
  { pool: PoolName, resources: Type.Array(ResourceId, { minItems: 1, maxItems: limits.resourcesMax }) },
  strict,
)

export const InPool = Type.Object({ pool: PoolName }, strict)
export const Check = Type.Object({ pool: PoolName, resource: ResourceId, token: Token }, strict)

export const PoolStatus = Type.Object({
  pool: PoolName,
  total: Type.Integer(),
  free: Type.Integer(),
  holds: Type.Array(
    Type.Object({
      hold: HoldId,
      user: Type.String(),
      resources: Type.Array(ResourceId),
      token: Token,
      since: Time,
      until: Time,
      attached: Type.Boolean({ description: 'Whether its connection is there.' }),
    }),
    { description: 'The first 500 by token.' },
  ),
  waiting: Type.Array(Type.Object({ user: Type.String(), count: Type.Integer(), waitedMs: Type.Integer() }), {
    description: 'The first 500 in line.',
  }),
  holding: Type.Integer({ description: 'Holds in all.' }),
  waiters: Type.Integer({ description: 'Waiters in all.' }),
})

export const Book = Type.Object(
  {
    pool: PoolName,
    from: Time,
    to: Time,
    count: Type.Optional(Count),
    resources: Type.Optional(
      Type.Array(ResourceId, { minItems: 1, maxItems: limits.resourcesMax, description: 'These, instead of any.' }),
    ),
    note: Type.Optional(Type.String({ maxLength: 1_000 })),
  },
  strict,
)

export const Booking = Type.Object({
  booking: HoldId,
  pool: PoolName,
  user: Type.String(),
  resources: Type.Array(ResourceId),
  from: Time,
  to: Time,
  note: Type.Optional(Type.String()),
})

export const Cancel = Type.Object({ booking: HoldId }, strict)

export const Calendar = Type.Object(
  { pool: PoolName, from: Type.Optional(Time), to: Type.Optional(Time), resource: Type.Optional(ResourceId) },
  strict,
)

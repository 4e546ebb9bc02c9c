// For those who run the server: health, metrics, documents, traces.

import { NitkaError } from '@nitka/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import type { LogStore } from '../../log/log-store.ts'
import type { Metrics } from '../../observe/metrics.ts'
import type { Relay } from '../../relay/relay.ts'
import type { Rooms } from '../../rooms/rooms.ts'
import { type Authorize, demand } from '../../sessions/auth.ts'
import { type RoomsOf, trace, traceAnswer, traceForUser } from '../../trace/trace.ts'
import { asyncApi } from './asyncapi.ts'
import { livenessPaths, type WhoOf } from './server.ts'

interface OperationRoutes {
  readonly metrics: Metrics
  readonly store: LogStore
  readonly relay: Relay
  readonly rooms: Rooms
  readonly who: WhoOf
  readonly authorize: Authorize
  /** Why no traffic should come, undefined when it may. */
  readonly unready: () => string | undefined
  readonly durability: string
  /** Where the server is attached, '' at the root. */
  readonly base: string
}

const TraceQuery = Type.Object({
  user: Type.Optional(Type.String({ description: 'Whose log and rooms to look in.' })),
  room: Type.Optional(Type.String({ description: 'Which room to look in.' })),
})

const DropsQuery = Type.Object({ channel: Type.Optional(Type.String()) })

export function operationRoutes(http: FastifyInstance, parts: OperationRoutes): void {
  health(http, parts)
  documents(http, parts)
  const { metrics, store, relay, rooms, who, authorize } = parts
  const roomsOf: RoomsOf = (user, after) => rooms.list(user, after)
  http.get('/metrics', { schema: { tags: ['operation'], summary: 'Prometheus metrics' } }, async (request, reply) => {
    await demand(authorize, await who(request), 'admin.metrics', '')
    return reply.type(metrics.contentType).send(await metrics.text())
  })
  http.get(
    '/trace/:id',
    { schema: { tags: ['operation'], summary: 'What became of a message', querystring: TraceQuery } },
    async (request: FastifyRequest<{ Params: { id: string }; Querystring: Static<typeof TraceQuery> }>) => {
      const { user, room } = request.query
      await demand(authorize, await who(request), 'admin.trace', room ?? user ?? '')
      if (room !== undefined) return traceAnswer(await trace(store, { kind: 'room', id: room }, request.params.id))
      if (user !== undefined) return traceAnswer(await traceForUser(store, user, request.params.id, roomsOf))
      throw new NitkaError('invalid', 'say where to look with ?user= or ?room=', { field: 'user' })
    },
  )
  http.get(
    '/relay/drops',
    {
      schema: { tags: ['operation'], summary: 'The latest relay messages that were dropped', querystring: DropsQuery },
    },
    async (request: FastifyRequest<{ Querystring: Static<typeof DropsQuery> }>) => {
      await demand(authorize, await who(request), 'admin.trace', 'relay')
      const drops = relay.drops(request.query.channel)
      return { drops: drops.map((drop) => ({ ...drop, time: new Date(drop.time).toISOString() })), next: null }
    },
  )
}

function health(http: FastifyInstance, { unready, durability }: OperationRoutes): void {
  const alive = async (): Promise<unknown> => ({ status: 'ok' })
  for (const path of livenessPaths) {
    http.get(path, { schema: { tags: ['operation'], summary: 'Whether the process answers' } }, alive)
  }
  http.get(
    '/readyz',
    { schema: { tags: ['operation'], summary: 'Whether it can take traffic' } },
    async (_request, reply) => {
      const reason = unready()
      if (reason === undefined) return { status: 'ready', durability }
      return reply.code(503).send({ status: 'not ready', reason, durability })
    },
  )
}

function documents(http: FastifyInstance, { base }: OperationRoutes): void {
  const hidden = { schema: { hide: true } as never }
  http.get('/openapi.json', hidden, async () => http.swagger())
  http.get('/asyncapi.json', hidden, async () => asyncApi(base))
}

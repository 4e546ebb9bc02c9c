// Pools over HTTP: every call as a POST with its parameters. There is no connection that a hold could end with, so it lasts
// until its time, or until it is released.

import { type CallName, calls } from '@nitka/protocol/schemas'
import type { FastifyInstance } from 'fastify'
import { type PoolServices, poolCalls } from '../../pools/calls.ts'
import { type Authorize, demand } from '../../sessions/auth.ts'
import type { WhoOf } from './server.ts'

interface PoolRoutes extends PoolServices {
  readonly who: WhoOf
  readonly authorize: Authorize
}

export function poolRoutes(http: FastifyInstance, { who, authorize, ...services }: PoolRoutes): void {
  for (const [name, call] of Object.entries(poolCalls)) {
    const { doc, params, result } = calls[name as CallName]
    const schema = { tags: ['pools'], summary: doc, body: params, response: { 200: result } }
    http.post(`/pools/${name.slice('pools.'.length)}`, { schema }, async (request, reply) => {
      const wish = call.check(request.body)
      const caller = await who(request)
      const { user } = caller
      await demand(authorize, caller, call.action, wish.pool ?? '')
      return reply.send(await call.run(services, { user, owner: undefined }, wish as never))
    })
  }
}

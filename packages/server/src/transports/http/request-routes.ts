// Requests over HTTP: one question, one answer. Whoever goes before the answer is not waited for.

import { http as bodies, pools as schemas } from '@nitka/protocol/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Outcome } from '../../requests/request.ts'
import type { Requests } from '../../requests/requests.ts'
import { resultJson } from '../../requests/result.ts'
import { type Authorize, demand } from '../../sessions/auth.ts'
import { sendJson, type WhoOf } from './server.ts'

interface RequestRoutes {
  readonly requests: Requests
  readonly who: WhoOf
  readonly authorize: Authorize
}

const { Caller } = bodies
const OneType = Type.Object({ type: schemas.RequestType })
const Question = Type.Object({ payload: Type.Unknown() }, { additionalProperties: false })

export function requestRoutes(http: FastifyInstance, { requests, who, authorize }: RequestRoutes): void {
  http.post(
    '/requests/:type',
    {
      schema: {
        ...{ tags: ['requests'], summary: 'Ask the executor of a type', params: OneType, body: Question },
        response: { 200: Type.Object({ result: Type.Unknown() }) },
      },
    },
    async (request: FastifyRequest<{ Params: { type: string }; Body: Static<typeof Question> }>, reply) => {
      const { type } = request.params
      const caller = await who(request)
      const { user } = caller
      await demand(authorize, caller, 'requests.call', type)
      // Its end was told before: whoever asked is gone.
      if (reply.raw.closed) return reply.hijack()
      const result = await new Promise<unknown>((resolve, reject) => {
        const answer = (outcome: Outcome): void => {
          if ('error' in outcome) reject(outcome.error)
          else resolve(outcome.result)
        }
        const asked = requests.ask({ type, payload: request.body.payload, user }, { answer })
        reply.raw.on('close', () => asked.drop())
      })
      return sendJson(reply, `{"result":${resultJson(result)}}`)
    },
  )
  http.get(
    '/requests',
    {
      schema: {
        ...{ tags: ['requests'], summary: 'Per type what waits and what runs, and for how long', querystring: Caller },
        response: {
          200: Type.Object({ types: Type.Array(Type.Object({ type: schemas.RequestType })), next: Type.Null() }),
        },
      },
    },
    async (request, reply) => {
      await demand(authorize, await who(request), 'requests.read', '')
      return reply.send({ types: requests.types(), next: null })
    },
  )
}

// Tickets, for connections that can bring no token. Whoever may ask gets one, for who they are.

import { http as bodies } from '@nitka/protocol/schemas'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Tickets } from '../../sessions/tickets.ts'
import type { WhoOf } from './server.ts'

export function ticketRoutes(http: FastifyInstance, { tickets, who }: { tickets: Tickets; who: WhoOf }): void {
  http.post<{ Body: Static<typeof bodies.TicketWish> }>(
    '/tickets',
    {
      schema: {
        tags: ['sessions'],
        summary: 'A ticket: good for one connection within 30 s, as `?ticket=`',
        body: bodies.TicketWish,
        response: { 201: bodies.Ticket },
      },
      // Without a purpose there need be no body.
      preValidation: async (request) => {
        request.body ??= {}
      },
    },
    async (request, reply) => {
      const { ticket, expires } = tickets.issue(await who(request), request.body.purpose)
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ticket, expires: new Date(expires).toISOString() })
    },
  )
}

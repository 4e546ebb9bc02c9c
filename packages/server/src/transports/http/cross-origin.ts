// What a browser must be told before a page of another origin, one that is on the list, may read an answer or send JSON
// (the Fetch standard calls it CORS). Who is on the list was decided before.

import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a browser may remember what it was told, seconds. */
const rememberSeconds = 600

/** Lets the page that sent the request read the answer. A program around us that has said something about it is not contradicted. */
export function letRead({ headers: { origin } }: FastifyRequest, { raw }: FastifyReply): void {
  if (origin === undefined || raw.hasHeader('access-control-allow-origin')) return
  // On the bare response, so that answers that are written past Fastify, as streams are, have it too.
  raw.setHeader('access-control-allow-origin', origin)
  raw.appendHeader('vary', 'origin')
}

/** Whether a browser only asks what it may send. */
export function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && 'access-control-request-method' in headers
}

export function answerPreflight(reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .header('access-control-allow-methods', 'GET, POST, PATCH, DELETE')
    .header('access-control-allow-headers', 'authorization, content-type, last-event-id')
    .header('access-control-max-age', rememberSeconds)
    .send()
}

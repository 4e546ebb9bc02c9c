// The HTTP door: Fastify with our schemas, problem documents, and the checks that every request passes.

import type { Socket } from 'node:net'
import fastifySwagger from '@fastify/swagger'
import { errors, NitkaError, parseJson, toNitkaError } from '@nitka/protocol'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { LogLines } from '../../observe/log-lines.ts'
import type { Authenticator } from '../../sessions/auth.ts'
import type { OriginGuard } from '../../sessions/origin.ts'
import { problemOf } from './problem.ts'
import { validatorCompiler } from './query.ts'

export interface HttpDoorOptions {
  readonly guard: OriginGuard
  readonly lines: LogLines
  readonly bodyBytesMax: number
  /** True: only probes are answered, everything else is sent away. */
  readonly leaving: () => boolean
  /** Adds the routes. */
  readonly routes: (http: FastifyInstance) => void
}

/** Whether the process lives, and whether it can take traffic. */
export const livenessPaths = ['/healthz', '/livez', '/health'] as const
const probes: ReadonlySet<string> = new Set([...livenessPaths, '/readyz'])

/** Who watches the drain may go on watching, and what workers have done until the end is taken. */
const whileLeaving: ReadonlySet<string> = new Set(['/metrics', '/report'])

/** Node drops what is too many without a word; we say it. */
const headersMax = 64

/** How requests say who they come from. */
export type WhoOf = (request: FastifyRequest) => Promise<string | undefined>

export function whoOf(authenticator: Authenticator): WhoOf {
  return (request) =>
    authenticator.identify({
      query: new URLSearchParams(request.url.split('?')[1] ?? ''),
      authorization: request.headers.authorization,
      protocols: [],
      token: undefined,
    })
}

/** The server, with its routes, not listening yet. */
export async function openHttp(options: HttpDoorOptions): Promise<FastifyInstance> {
  const http = Fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    requestTimeout: 15_000,
    connectionTimeout: 0,
    keepAliveTimeout: 5_000,
    routerOptions: { maxParamLength: 400, ignoreTrailingSlash: false },
    http: {
      // Some clients offer to change to HTTP/2 with every request: that is declined by answering as HTTP/1.1.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
      headersTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8_192,
    },
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseUnreadable,
  })
  http.setValidatorCompiler(validatorCompiler)
  // What leaves is built by us and may hold JSON text as it was stored: it is not serialized a second time by schema.
  http.setSerializerCompiler(() => (value) => (typeof value === 'string' ? value : JSON.stringify(value)))
  http.removeContentTypeParser('application/json')
  http.removeContentTypeParser('text/plain')
  http.addContentTypeParser('application/json', { parseAs: 'string' }, async (_request: FastifyRequest, body: string) =>
    parseJson(body),
  )
  http.setErrorHandler((thrown, request, reply) =>
    sendProblem(asRefusal(thrown), thrown, request, reply, options.lines),
  )
  http.setNotFoundHandler((request, reply) => {
    const error = new NitkaError('not-found', `nothing is served at ${request.method} ${request.url.slice(0, 200)}`)
    return sendProblem(error, error, request, reply, options.lines)
  })
  http.addHook('onRequest', async (request) => {
    const { host, origin } = request.headers
    // Probes come by address, with whatever Host; they learn nothing.
    if (request.raw.rawHeaders.length > 2 * headersMax) {
      throw new NitkaError('too-large', `a request may have at most ${headersMax} headers`, { field: 'headers' })
    }
    if (probes.has(request.url)) return
    options.guard.check(host, origin)
    if (options.leaving() && !whileLeaving.has(request.routeOptions.url ?? ''))
      throw new NitkaError('draining', 'the server is stopping; come back')
  })
  await http.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Nitka',
        version: '0.1.0',
        description: 'Relay, direct chat, rooms and tasks. The WebSocket side is described at /asyncapi.json.',
      },
    },
  })
  await http.register(async (scope) => options.routes(scope))
  await http.ready()
  return http
}

/** Sends text that is JSON already. */
export function sendJson(reply: FastifyReply, text: string, status = 200): FastifyReply {
  return reply.code(status).type('application/json; charset=utf-8').send(Buffer.from(text))
}

/** A request that Node could not even parse: too large a head, too slow, or no HTTP. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const refusal = tooLarge
    ? new NitkaError('too-large', 'the request head is larger than 8 KiB', { field: 'headers' })
    : new NitkaError('invalid', 'this is not a readable HTTP request')
  const problem = { ...problemOf(refusal), status: tooLarge ? 431 : 400 }
  const body = JSON.stringify(problem)
  const head = `HTTP/1.1 ${problem.status} ${problem.code}\r\nContent-Type: application/problem+json\r\n`
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}

/** What Fastify itself refuses, in our codes. */
function asRefusal(thrown: unknown): NitkaError {
  if (thrown instanceof NitkaError) return thrown
  const { code, statusCode, message = '' } = thrown as { code?: string; statusCode?: number; message?: string }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new NitkaError('too-large', 'the body is too large', { field: 'body' })
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new NitkaError('invalid', 'Content-Type must be application/json', { field: 'Content-Type' })
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new NitkaError('invalid', message)
  return toNitkaError(thrown)
}

function sendProblem(
  error: NitkaError,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  lines: LogLines,
): FastifyReply {
  if (error.code === 'internal')
    lines.error({ err: thrown, method: request.method, route: request.routeOptions.url }, 'failed')
  if (errors[error.code].retry === 'later') void reply.header('retry-after', '1')
  const body = JSON.stringify(problemOf(error))
  return reply.code(errors[error.code].http).type('application/problem+json; charset=utf-8').send(Buffer.from(body))
}

/**
 * Takes requests from now on.
 * @throws NitkaError `invalid` in one line for a person: the address cannot be used, and what to do
 */
export async function listen(http: FastifyInstance, { host, port }: { host: string; port: number }): Promise<void> {
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} on ${host} is in use; stop what uses it, or choose another with --port`,
    EACCES: `port ${port} may not be opened by this user; choose one from 1024 on`,
    EADDRNOTAVAIL: `this machine has no address ${host}; choose another with --host`,
    ENOTFOUND: `the host ${host} is not known; choose another with --host`,
  }
  try {
    await http.listen({ host, port })
  } catch (error) {
    const hint = hints[(error as NodeJS.ErrnoException).code ?? '']
    throw hint === undefined ? error : new NitkaError('invalid', hint, { cause: error })
  }
}

// The HTTP door: Fastify with our schemas, problem documents, and the checks that every request passes.

import type { Socket } from 'node:net'
import fastifySwagger from '@fastify/swagger'
import { errors, NitkaError, parseJson, toNitkaError } from '@nitka/protocol'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { LogLines } from '../../observe/log-lines.ts'
import { type Authenticator, type Identity, nobody, refuseUnknown } from '../../sessions/auth.ts'
import type { OriginGuard } from '../../sessions/origin.ts'
import { ownVersion } from '../../version.ts'
import type { Clock } from '../../world.ts'
import { answerPreflight, isPreflight, letRead } from './cross-origin.ts'
import type { Load } from './load.ts'
import { problemHeaders, problemOf, refuseSocket } from './problem.ts'
import { validatorCompiler } from './query.ts'
import { passOver } from './refused-body.ts'
import { cutOffUnread } from './unread.ts'

export interface HttpDoorOptions {
  readonly guard: OriginGuard
  readonly lines: LogLines
  readonly bodyBytesMax: number
  readonly load: Load
  readonly clock: Clock
  /** How long a client may take nothing of its answer; 0: for ever. */
  readonly stallMs: number
  /** True: only probes are answered, everything else is sent away. */
  readonly leaving: () => boolean
  /** Whether a path takes upgrades, which do not come this way. */
  readonly isWebSocket: (path: string) => boolean
  /** Where it is attached; '' when it is at the root. For the documents. */
  readonly base: string
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
export type WhoOf = (request: FastifyRequest) => Promise<Identity>

export function whoOf(authenticator: Authenticator): WhoOf {
  const identify = async (request: FastifyRequest): Promise<Identity> => {
    const who = await authenticator.identify({
      query: new URLSearchParams(request.url.split('?')[1] ?? ''),
      authorization: request.headers.authorization,
      protocols: [],
      token: undefined,
      address: request.socket.remoteAddress ?? '',
    })
    if (who === undefined && authenticator.required === true) refuseUnknown(authenticator)
    return who ?? nobody
  }
  // Asked before the body is read and again by the route: a token is looked at once.
  const known = new WeakMap<FastifyRequest, Promise<Identity>>()
  return (request) => {
    const who = known.get(request) ?? identify(request)
    known.set(request, who)
    return who
  }
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
    // Its answer would be no problem document. Ours says the same from the moment the drain begins.
    return503OnClosing: false,
    clientErrorHandler: refuseUnreadable,
    // A URL that cannot be decoded. Fastify would repeat all of it, and there may be a ticket in it.
    frameworkErrors: (thrown, request, reply) => {
      const error = new NitkaError('invalid', 'the URL cannot be read')
      return sendProblem(error, thrown, request, reply, options.lines)
    },
  })
  http.setValidatorCompiler(validatorCompiler)
  // What leaves is built by us and may hold JSON text as it was stored: it is not serialized a second time by schema.
  http.setSerializerCompiler(() => (value) => (typeof value === 'string' ? value : JSON.stringify(value)))
  readJson(http)
  http.setErrorHandler((thrown, request, reply) => refuse(thrown, request, reply, options.lines))
  cutOffUnread(http, options.clock, options.stallMs)
  http.setNotFoundHandler((request, reply) => refuseMissing(request, reply, options))
  http.addHook('onRequest', async (request, reply) => {
    const { host, origin } = request.headers
    // Probes come by address, with whatever Host; they learn nothing.
    if (request.raw.rawHeaders.length > 2 * headersMax) {
      throw new NitkaError('too-large', `a request may have at most ${headersMax} headers`, { field: 'headers' })
    }
    if (probes.has(request.url)) return
    const room = options.load.enter(request.raw, reply.raw)
    options.guard.check(host, origin, request.raw.socket.localAddress)
    letRead(request, reply)
    if (isPreflight(request)) return answerPreflight(reply)
    if (options.leaving() && !whileLeaving.has(request.routeOptions.url ?? ''))
      throw new NitkaError('draining', 'the server is stopping; come back')
    if (room !== undefined) await room
  })
  http.addHook('preParsing', (request, _reply, body, done) => {
    options.load.measure(request.raw, body)
    done()
  })
  http.addHook('onSend', (request, _reply, _payload, done) => {
    options.load.answered(request.raw)
    done()
  })
  await http.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      ...(options.base === '' ? {} : { servers: [{ url: options.base }] }),
      info: {
        title: 'Nitka',
        version: ownVersion(),
        description: 'Relay, direct chat, rooms and tasks. The WebSocket side is described at /asyncapi.json.',
      },
    },
  })
  await http.register(async (scope) => options.routes(scope))
  await http.ready()
  return http
}

/**
 * Reads every body as JSON, whatever its Content-Type says: `curl -d` says that it is a form, `fetch` that it is text. What
 * keeps foreign pages out is Origin. An empty body is none.
 * @param keysMax keys of all its objects
 */
export function readJson(http: FastifyInstance, keysMax?: number): void {
  http.removeAllContentTypeParsers()
  http.addContentTypeParser('*', { parseAs: 'string' }, async (_request: FastifyRequest, body: string) =>
    body === '' ? undefined : parseJson(body, keysMax),
  )
}

/** Sends text that is JSON already. */
export function sendJson(reply: FastifyReply, text: string, status = 200): FastifyReply {
  return reply.code(status).type('application/json; charset=utf-8').send(Buffer.from(text))
}

/** A request that Node could not even parse: too large a head, too slow, or no HTTP. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return void socket.destroy()
  const [status, refusal] = unreadable(error.code)
  refuseSocket(socket, refusal, { status })
}

function unreadable(code: string | undefined): [status: number, NitkaError] {
  if (code === 'HPE_HEADER_OVERFLOW')
    return [431, new NitkaError('too-large', 'the request head is larger than 8 KiB', { field: 'headers' })]
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, new NitkaError('timeout', 'no whole request came in time')]
  return [400, new NitkaError('invalid', 'this is not a readable HTTP request')]
}

/** Nothing is there, or something that is asked for in another way. */
function refuseMissing(request: FastifyRequest, reply: FastifyReply, options: HttpDoorOptions): FastifyReply {
  const path = pathOf(request)
  const what = `${request.method} ${path.slice(0, 200)}`
  if (request.method === 'GET' && options.isWebSocket(path)) {
    const error = new NitkaError('invalid', `${what} is a WebSocket: connect with ws:// or wss://`, {
      field: 'Upgrade',
    })
    void reply.header('upgrade', 'websocket').header('connection', 'upgrade')
    return sendProblem(error, error, request, reply, options.lines, 426)
  }
  const hint = path === '/' ? '; what there is, is in /openapi.json and /asyncapi.json' : ''
  const error = new NitkaError('not-found', `nothing is served at ${what}${hint}`)
  return sendProblem(error, error, request, reply, options.lines)
}

/** What Fastify itself refuses, in our codes. */
function asRefusal(thrown: unknown): NitkaError {
  if (thrown instanceof NitkaError) return thrown
  const { code, statusCode, message = '' } = thrown as { code?: string; statusCode?: number; message?: string }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new NitkaError('too-large', 'the body is too large', { field: 'body' })
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new NitkaError('invalid', 'Content-Type cannot be read; it is application/json', { field: 'Content-Type' })
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new NitkaError('invalid', message)
  return toNitkaError(thrown)
}

/** Without the query, in which there may be a ticket. */
function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? ''
}

function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply, lines: LogLines): FastifyReply {
  // Fastify would end the connection at any body that it could not take, and with it the requests behind.
  void reply.removeHeader('connection')
  if (!request.raw.complete) passOver(request.raw)
  return sendProblem(asRefusal(thrown), thrown, request, reply, lines)
}

function sendProblem(
  error: NitkaError,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  lines: LogLines,
  status: number = errors[error.code].http,
): FastifyReply {
  if (error.code === 'internal')
    lines.error({ err: thrown, method: request.method, route: request.routeOptions.url }, 'failed')
  void reply.headers(problemHeaders(error))
  const body = JSON.stringify({ ...problemOf(error), status })
  return reply.code(status).type('application/problem+json; charset=utf-8').send(Buffer.from(body))
}

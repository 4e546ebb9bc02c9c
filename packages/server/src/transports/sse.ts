// The SSE door: GETs that stay open, on the paths of the endpoints. Checks who may come in and joins response, wire, session
// and dialect. Knows no rule of any service.

import { NitkaError } from '@nitka/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Admission, Admitted } from '../sessions/admission.ts'
import type { EndpointRequest, StreamEndpoint } from '../sessions/dialect.ts'
import { refuseForeign } from '../sessions/origin.ts'
import type { Session } from '../sessions/session.ts'
import type { Wire } from '../sessions/wire.ts'
import type { Clock } from '../world.ts'
import { boundLastBytes } from './last-bytes.ts'
import { SseWire } from './sse-wire.ts'

export interface SseDoorOptions {
  readonly clock: Clock
  readonly endpoints: readonly StreamEndpoint[]
  readonly admission: Admission
  /** Time between comments, so that nothing on the way takes the stream for dead. */
  readonly commentMs: number
  /** Streams of one named user, 0: no limit. */
  readonly streamsPerUserMax: number
  /** How long a peer may take nothing of what is left, when its stream was ended. */
  readonly goodbyeMs: number
  readonly newSession: (birth: Admitted & { readonly wire: Wire }) => Session
  readonly onError: (error: unknown, where: string) => void
}

/** How long a client waits before it comes back. */
const retryMs = 1_000

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  // Neither kept nor compressed nor held back by whatever lies between.
  'cache-control': 'no-cache, no-store, no-transform',
  'x-accel-buffering': 'no',
  connection: 'keep-alive',
}

export class SseDoor {
  readonly #options: SseDoorOptions
  readonly #streams = new Map<string, number>()

  constructor(options: SseDoorOptions) {
    this.#options = options
  }

  routes(http: FastifyInstance): void {
    for (const endpoint of this.#options.endpoints) {
      const schema = { tags: ['tasks'], summary: endpoint.doc, querystring: endpoint.query }
      const validatorCompiler = () => (value: unknown) => ({ value })
      http.get(endpoint.path, { schema, validatorCompiler, exposeHeadRoute: false }, (request, reply) =>
        this.#take(endpoint, request, reply),
      )
    }
  }

  async #take(endpoint: StreamEndpoint, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { admission, streamsPerUserMax } = this.#options
    refuseForeign(request.headers)
    admission.knock()
    const [path = '', search = ''] = request.url.split('?')
    const query = new URLSearchParams(search)
    const asked: EndpointRequest = { params: request.params as Record<string, string>, query, rpc: false }
    const { authorization } = request.headers
    const { socket } = request.raw
    const address = socket.remoteAddress ?? ''
    const admitted = await admission.admit({ endpoint, asked, path, authorization, protocols: [], address })
    const user = admitted.who?.user ?? ''
    if (user !== '' && streamsPerUserMax !== 0 && (this.#streams.get(user) ?? 0) >= streamsPerUserMax) {
      throw new NitkaError('overloaded', `a user may have at most ${streamsPerUserMax} streams`, { field: 'user' })
    }
    reply.hijack()
    if (!socket.destroyed) this.#open(endpoint, asked, admitted, reply)
    return reply
  }

  #open(endpoint: StreamEndpoint, asked: EndpointRequest, admitted: Admitted, reply: FastifyReply): void {
    const { clock, admission, newSession, commentMs, goodbyeMs, onError } = this.#options
    const response = reply.raw
    const { socket } = reply.request.raw
    socket.setNoDelay(true)
    socket.setKeepAlive(true, commentMs)
    response.on('error', ignore)
    response.writeHead(200, headers)
    response.write(`retry: ${retryMs}\n: nitka\n\n`)
    const wire = new SseWire(response, socket)
    const session = newSession({ ...admitted, wire })
    admission.registry.add(session)
    session.onClose(() => boundLastBytes(socket, response, clock, goodbyeMs))
    this.#count(session.user, 1)
    const comments = clock.every(commentMs, () => wire.ping())
    response.on('close', () => {
      comments.cancel()
      this.#count(session.user, -1)
      session.gone()
    })
    try {
      session.speak(endpoint.open(session, asked))
    } catch (error) {
      onError(error, endpoint.path)
      session.close('internal')
    }
  }

  #count(user: string, change: 1 | -1): void {
    if (user === '') return
    const count = (this.#streams.get(user) ?? 0) + change
    if (count === 0) this.#streams.delete(user)
    else this.#streams.set(user, count)
  }
}

function ignore(): void {
  // Errors of a response end in its `close` event, which is where they are handled.
}

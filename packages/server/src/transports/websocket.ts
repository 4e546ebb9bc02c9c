// The WebSocket door: takes upgrades on the paths of the endpoints, checks who may come in, and joins `ws`, wire,
// session and dialect. Knows no rule of any service.

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { NitkaError, plainSubprotocol, rpcSubprotocol, toNitkaError } from '@nitka/protocol'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Admission, Admitted } from '../sessions/admission.ts'
import type { Dialect, Endpoint, EndpointRequest } from '../sessions/dialect.ts'
import { controls } from '../sessions/intake.ts'
import type { OriginGuard } from '../sessions/origin.ts'
import type { Session } from '../sessions/session.ts'
import type { Wire } from '../sessions/wire.ts'
import { type Clock, sleep } from '../world.ts'
import { refuseSocket } from './http/problem.ts'
import { matchPath } from './path.ts'
import { WebSocketWire } from './websocket-wire.ts'

export interface WebSocketDoorOptions {
  readonly clock: Clock
  readonly endpoints: readonly Endpoint[]
  readonly admission: Admission
  readonly guard: OriginGuard
  /** Largest frame that is read whole, bytes. A larger one closes the connection with 1009. */
  readonly frameBytesMax: number
  /** How long a peer has to answer a goodbye before its socket is destroyed. */
  readonly goodbyeMs: number
  readonly newSession: (birth: Admitted & { readonly wire: Wire }) => Session
  readonly onMessage: (bytes: number) => void
  readonly onError: (error: unknown, where: string) => void
}

/** How long the hooks that say who somebody is, and what they may, have for one upgrade. */
const decideMs = 10_000

export class WebSocketDoor {
  readonly #options: WebSocketDoorOptions
  readonly #server: WebSocketServer
  readonly #sockets = new Set<WebSocket>()

  constructor(options: WebSocketDoorOptions) {
    this.#options = options
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.frameBytesMax,
      // Known to the library, not yet to its types.
      // Who sends more pings at once than that, or reads no answer to so many, is cut off.
      ...{ closeTimeout: options.goodbyeMs, maxPendingAutoPongs: 2 * controls.burst },
      maxFragments: 32,
      maxBufferedChunks: 1_024,
      // None that is a token, and none that nobody here speaks.
      handleProtocols: (protocols) => [rpcSubprotocol, plainSubprotocol].find((name) => protocols.has(name)) ?? false,
    })
    this.#server.on('wsClientError', (error, socket) => {
      const headers = { 'Sec-WebSocket-Version': '13, 8' }
      refuseSocket(socket as Socket, new NitkaError('invalid', error.message), { headers })
    })
  }

  /** Whether upgrades are taken on this path. */
  serves(path: string): boolean {
    return matchPath(this.#options.endpoints, path) !== undefined
  }

  /** The listener for the HTTP server's `upgrade` event. */
  readonly upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    const socket = stream as Socket
    // From the first tick on: a socket without a listener would end the process with its first error.
    socket.on('error', ignore)
    const { clock, onError } = this.#options
    const late = clock.after(decideMs, () => socket.destroy())
    this.#take(request, socket, head)
      .catch((thrown: unknown) => {
        const error = toNitkaError(thrown)
        if (error.code === 'internal') onError(thrown, 'upgrade')
        refuseSocket(socket, error)
      })
      .finally(() => late.cancel())
  }

  /** Resolves when the goodbyes are through, or after `ms`, when it ends what is left. */
  async settle(clock: Clock, ms: number): Promise<void> {
    const start = clock.monotonic()
    while (this.#sockets.size > 0 && clock.monotonic() - start < ms) await sleep(clock, 10)
    for (const ws of this.#sockets) ws.terminate()
  }

  async #take(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const { endpoints, guard, admission } = this.#options
    guard.check(request.headers.host, request.headers.origin, socket.localAddress)
    admission.knock()
    const url = parseTarget(request.url)
    const found = matchPath(endpoints, url.pathname)
    if (found === undefined) throw new NitkaError('not-found', `nothing is served at ${url.pathname.slice(0, 200)}`)
    const { endpoint, params } = found
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    const asked: EndpointRequest = { params, query: url.searchParams, rpc: protocols.includes(rpcSubprotocol) }
    const { authorization } = request.headers
    const address = socket.remoteAddress ?? ''
    const admitted = await admission.admit({ endpoint, asked, path: url.pathname, authorization, protocols, address })
    if (socket.destroyed) return
    this.#server.handleUpgrade(request, socket, head, (ws) => this.#open(ws, socket, endpoint, asked, admitted))
  }

  #open(ws: WebSocket, socket: Socket, endpoint: Endpoint, asked: EndpointRequest, admitted: Admitted): void {
    ws.on('error', ignore)
    socket.setNoDelay(true)
    const { newSession, admission, onMessage } = this.#options
    const session = newSession({ ...admitted, wire: new WebSocketWire(ws, socket) })
    admission.registry.add(session)
    this.#sockets.add(ws)
    ws.on('close', (code: number) => {
      this.#sockets.delete(ws)
      // 1005: a goodbye without a code, which is what `close()` sends.
      session.gone(code === 1000 || code === 1001 || code === 1005)
    })
    const control = (): void => session.intake.countControl()
    ws.on('ping', control)
    ws.on('pong', control)
    const dialect = this.#speak(session, endpoint, asked)
    if (dialect === undefined) return
    ws.on('message', (data: RawData, isBinary: boolean) => {
      if (!session.listening) return
      const bytes = data as Buffer
      onMessage(bytes.length)
      session.intake.count()
      if (isBinary) dialect.receiveBinary(bytes)
      else dialect.receiveText(bytes)
    })
  }

  /** After the upgrade a refusal is a close frame, no HTTP. */
  #speak(session: Session, endpoint: Endpoint, asked: EndpointRequest): Dialect | undefined {
    try {
      const dialect = endpoint.open(session, asked)
      session.speak(dialect)
      return dialect
    } catch (error) {
      this.#options.onError(error, endpoint.path)
      session.close('internal')
      return undefined
    }
  }
}

function ignore(): void {
  // Errors of a socket end in its `close` event, which is where they are handled.
}

/** @throws NitkaError `invalid` */
function parseTarget(target: string | undefined): URL {
  if (target === undefined || target.length > 4_096) throw new NitkaError('invalid', 'the URL is too long')
  const url = URL.canParse(target, 'http://host') ? new URL(target, 'http://host') : undefined
  if (url === undefined) throw new NitkaError('invalid', 'the URL cannot be parsed')
  return url
}

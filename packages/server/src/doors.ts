// The doors: dialects and transports, put together on the services.

import { encodeId, type IdSource, NitkaError } from '@nitka/protocol'
import type { FastifyInstance } from 'fastify'
import type { Authentication } from './authentication.ts'
import type { Config } from './config.ts'
import { chatEndpoint } from './dialects/chat.ts'
import { relayEndpoints } from './dialects/plain/relay.ts'
import { roomEndpoint } from './dialects/plain/room.ts'
import { taskEndpoint } from './dialects/plain/task.ts'
import type { RpcServices } from './dialects/rpc/context.ts'
import { tcpEndpoint } from './dialects/tcp.ts'
import type { Engine } from './engines/engine.ts'
import { Pulse } from './fanout/pulse.ts'
import type { LogLines } from './observe/log-lines.ts'
import { openMetrics } from './observe/metrics.ts'
import { options } from './options.ts'
import { Rates } from './rates.ts'
import type { ServerTools } from './server-tools.ts'
import type { Services } from './services.ts'
import { Admission, type Admitted } from './sessions/admission.ts'
import { type Authenticator, type Authorize, allowAll, openAuthenticator } from './sessions/auth.ts'
import type { Dam } from './sessions/dam.ts'
import type { Heartbeat } from './sessions/heartbeat.ts'
import type { Shared } from './sessions/intake.ts'
import { isLoopback, OriginGuard } from './sessions/origin.ts'
import type { Registry } from './sessions/registry.ts'
import { Session, type SessionLimits } from './sessions/session.ts'
import type { Wire } from './sessions/wire.ts'
import { TokenBucket } from './token-bucket.ts'
import { Attachment, pathOf } from './transports/http/attachment.ts'
import { browserClientRoute } from './transports/http/browser-client.ts'
import { Load } from './transports/http/load.ts'
import { messageRoutes } from './transports/http/message-routes.ts'
import { operationRoutes } from './transports/http/operation-routes.ts'
import { pageRoutes } from './transports/http/page.ts'
import { poolRoutes } from './transports/http/pool-routes.ts'
import { requestRoutes } from './transports/http/request-routes.ts'
import { roomRoutes } from './transports/http/room-routes.ts'
import { openHttp, type WhoOf, whoOf } from './transports/http/server.ts'
import { OwnSite, type Site } from './transports/http/site.ts'
import { taskAdminRoutes } from './transports/http/task-admin-routes.ts'
import { taskRoutes } from './transports/http/task-routes.ts'
import { ticketRoutes } from './transports/http/ticket-routes.ts'
import { SseDoor } from './transports/sse.ts'
import { TcpDoor, type TcpDoorOptions } from './transports/tcp.ts'
import { WebSocketDoor } from './transports/websocket.ts'
import type { World } from './world.ts'

/** An HTTP body holds a batch, a frame a call around a message; a message in JSON may be six times as long as it is. */
function envelopeBytes({ payloadBytes }: Config): number {
  return Math.max(2 ** 20, payloadBytes * 6 + 64 * 1024)
}

export interface DoorParts {
  readonly config: Config
  readonly world: World
  readonly engine: Engine
  readonly lines: LogLines
  readonly tools: ServerTools
  readonly authentication: Authentication
  readonly services: Services
  readonly registry: Registry
  readonly heartbeat: Heartbeat
  readonly dam: Dam
  readonly unready: () => string | undefined
  readonly leaving: () => boolean
}

export interface Doors {
  readonly http: FastifyInstance
  /** Closed until it is opened. */
  readonly site: Site
  readonly webSocket: WebSocketDoor
  /** Undefined: it is turned off, or its port was taken and nobody had asked for it. */
  readonly tcp: TcpDoor | undefined
}

/** Everything listens but HTTP, which is the last. */
export async function openDoors(parts: DoorParts): Promise<Doors> {
  const { config, world, engine, lines, tools, services, registry, heartbeat, dam, leaving, unready } = parts
  const { relay, rooms, tasks, ids, pulse } = services
  const { clock } = world
  const authorize = tools.authorize ?? allowAll
  const { authenticator, jwt, tickets, logins } = parts.authentication
  const onError = (error: unknown, where: string): void => lines.error({ err: error, where }, 'failed')
  const { attach } = tools
  const base = attach === undefined ? '' : pathOf(attach).replace(/\/$/, '')
  const guard = openGuard(config, attach !== undefined, authenticator === openAuthenticator)
  const rpc = rpcServices(parts, authorize, authenticator, onError)
  const received = { messages: 0, bytes: 0 }
  const onMessage = (bytes: number): void => {
    received.messages++
    received.bytes += bytes
  }
  const handshakes = new TokenBucket(clock, { perSecond: config.handshakes, burst: config.handshakeBurst })
  const admission = new Admission({ authenticator, tickets, registry, handshakes })
  const rates = new Rates(clock, { perSecond: config.rate * config.userRates, burst: config.burst * config.userRates })
  const newSession = sessionMaker(world, ids, { pulse, limits: browserLimits(config), shared: { dam, rates } })
  const webSocket = new WebSocketDoor({
    endpoints: [
      chatEndpoint(rpc),
      ...relayEndpoints(relay, authorize, config.payloadBytes),
      roomEndpoint(rooms, authorize, (error) => onError(error, 'room')),
    ],
    ...{ clock, admission, guard, newSession, onMessage, onError },
    frameBytesMax: envelopeBytes(config),
    goodbyeMs: config.pongMs,
  })
  const streams = new SseDoor({
    endpoints: [taskEndpoint(tasks, authorize)],
    ...{ clock, admission, newSession, onError },
    commentMs: config.commentMs,
    streamsPerUserMax: config.streamsPerUser,
    goodbyeMs: config.pongMs,
  })
  const bodyBytesMax = envelopeBytes(config)
  const load = new Load(clock, bodyBytesMax)
  const metrics = openMetrics({ ...services, registry, heartbeat, dam, engine, received, load, jwt, tickets, logins })
  const who = whoOf(authenticator)
  const routes = (scope: FastifyInstance): void => {
    void scope.register(async (known) => {
      // Whoever has no token is not even read from.
      if (authenticator.required === true) known.addHook('onRequest', async (request) => void (await who(request)))
      addRoutes(known, parts, { who, authorize })
      ticketRoutes(known, { tickets, who })
    })
    streams.routes(scope)
    browserClientRoute(scope)
    const { logs: store, durability } = engine
    operationRoutes(scope, { metrics, store, relay, rooms, who, authorize, unready, durability, base })
    if (tools.page !== undefined) pageRoutes(scope, tools.page)
  }
  const isWebSocket = (path: string): boolean => webSocket.serves(path)
  const http = await openHttp({
    ...{ guard, lines, bodyBytesMax, load, leaving, isWebSocket, base, routes },
    ...{ clock, stallMs: config.stallMs },
  })
  if (attach === undefined) boundSockets(http, config, registry)
  const inner = { http, upgrade: webSocket.upgrade }
  const site = attach === undefined ? new OwnSite(inner, config, clock) : new Attachment(attach, inner, clock)
  const tcp = await openTcp(config, lines, {
    endpoint: tcpEndpoint(rpc),
    ...{ clock, admission, onMessage, onError },
    // Answers leave at the end of the turn: whoever asks one question at a time is not kept waiting.
    newSession: sessionMaker(world, ids, { pulse: new Pulse(clock, 0), limits: socketLimits(config), shared: { dam } }),
  })
  return { http, site, webSocket, tcp }
}

/** Sockets that ask over HTTP, or have not said what they want, besides the connections that a node may have. */
const socketsBesides = 1_000

/** Who only opens sockets cannot take all memory: what is too many is dropped before it costs anything. 0: no limit. */
function socketsMax({ connections }: Config): number {
  return connections === 0 ? 0 : connections + socketsBesides
}

function boundSockets({ server }: FastifyInstance, config: Config, registry: Registry): void {
  const most = socketsMax(config)
  if (most === 0) return
  server.maxConnections = most
  server.on('drop', () => registry.refused++)
}

type TcpParts = Pick<TcpDoorOptions, 'endpoint' | 'clock' | 'admission' | 'onMessage' | 'onError' | 'newSession'>

/** Undefined: it is turned off, or its port was taken and nobody had asked for it. */
async function openTcp(config: Config, lines: LogLines, parts: TcpParts): Promise<TcpDoor | undefined> {
  if (config.socketHost === '') return undefined
  const tcp = new TcpDoor({
    ...parts,
    valueBytesMax: config.socketBytes,
    socketsMax: socketsMax(config),
    unfinishedMs: config.helloMs,
    keepAliveMs: config.pingMs,
    goodbyeMs: config.pongMs,
    tls: config.socketCert === '' ? undefined : { cert: config.socketCert, key: config.socketKey },
  })
  return listenTcp(tcp, config, lines)
}

/** The address that the program's server listens on is the program's, so what comes is looked at one by one. */
function openGuard({ host, hosts, origins, allowOpen }: Config, attached: boolean, open: boolean): OriginGuard {
  if (!attached) return new OriginGuard(origins, isLoopback(host) ? hosts : [...hosts, host])
  return new OriginGuard(origins, hosts, !allowOpen && open)
}

function addRoutes(http: FastifyInstance, parts: DoorParts, asking: { who: WhoOf; authorize: Authorize }): void {
  const { engine, services } = parts
  const { log, direct, rooms, tasks, requests, pools, bookings } = services
  const storeTogether: Engine['storeTogether'] = (appends, added) => engine.storeTogether(appends, added)
  roomRoutes(http, { rooms, ...asking })
  messageRoutes(http, { direct, rooms, tasks, log, storeTogether, ...asking })
  taskRoutes(http, { tasks, ...asking })
  taskAdminRoutes(http, { tasks, ...asking })
  requestRoutes(http, { requests, ...asking })
  poolRoutes(http, { pools, bookings, ...asking })
}

function rpcServices(
  { config, world, engine, services, registry }: DoorParts,
  authorize: Authorize,
  authenticator: Authenticator,
  onInternal: (error: unknown, where: string) => void,
): RpcServices {
  const { relay, direct, rooms, tasks, requests, pools, bookings } = services
  return {
    ...{ relay, direct, rooms, tasks, requests, pools, bookings, registry, authenticator, authorize, onInternal },
    store: engine.logs,
    node: encodeId(world.random.bytes(12)),
    durability: engine.durability,
    limits: {
      subscriptionsMax: config.subscriptions,
      payloadBytesMax: config.payloadBytes,
      pingMs: config.pingMs,
      messageBytesMax: { websocket: envelopeBytes(config), tcp: config.socketBytes },
    },
    now: () => world.clock.now(),
  }
}

/**
 * A port that was not asked for and is taken is done without, loudly: a second server on one machine, for a test say, need
 * not know of it.
 */
async function listenTcp(
  door: TcpDoor,
  { socketHost, socketPort, sharePort }: Config,
  lines: LogLines,
): Promise<TcpDoor | undefined> {
  try {
    await door.listen({ host: socketHost, port: socketPort, sharePort })
    return door
  } catch (error) {
    await door.close(0)
    const taken = error instanceof NitkaError && /in use/.test(error.message)
    if (!taken || socketPort !== options.socketPort.default || socketHost !== options.socketHost.default) throw error
    lines.warn(`requests over TCP are off: ${error.message}`)
    return undefined
  }
}

function browserLimits(config: Config): SessionLimits {
  return {
    ratePerSecond: config.rate,
    burst: config.burst,
    unansweredMax: config.unanswered,
    unansweredBytes: config.unansweredBytes,
    joinsPerSecond: config.joins,
    outboxBytes: config.outboxBytes,
    replyBytes: config.replyBytes,
  }
}

/** Services, not browsers, use the TCP port. */
function socketLimits(config: Config): SessionLimits {
  return {
    ...browserLimits(config),
    ratePerSecond: config.socketRate,
    unansweredMax: config.socketUnanswered,
    unansweredBytes: Math.max(config.unansweredBytes, 2 * config.socketBytes),
  }
}

function sessionMaker(
  { clock }: World,
  ids: IdSource,
  tools: { readonly pulse: Pulse; readonly limits: SessionLimits; readonly shared: Shared },
) {
  return (birth: Admitted & { readonly wire: Wire }): Session =>
    new Session({ ...birth, id: ids.next(), openedAt: clock.monotonic() }, { ...tools, clock })
}

// The doors: dialects and transports, put together on the services.

import { encodeId, type IdSource, NitkaError } from '@nitka/protocol'
import type { FastifyInstance } from 'fastify'
import { type Config, options } from './config.ts'
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
import type { ServerTools } from './server-tools.ts'
import type { Services } from './services.ts'
import { Admission } from './sessions/admission.ts'
import { type Authenticator, type Authorize, allowAll, openAuthenticator } from './sessions/auth.ts'
import type { Heartbeat } from './sessions/heartbeat.ts'
import { isLoopback, OriginGuard } from './sessions/origin.ts'
import type { Registry } from './sessions/registry.ts'
import { Session, type SessionLimits } from './sessions/session.ts'
import { TokenBucket } from './sessions/token-bucket.ts'
import type { Wire } from './sessions/wire.ts'
import { messageRoutes } from './transports/http/message-routes.ts'
import { operationRoutes } from './transports/http/operation-routes.ts'
import { poolRoutes } from './transports/http/pool-routes.ts'
import { requestRoutes } from './transports/http/request-routes.ts'
import { roomRoutes } from './transports/http/room-routes.ts'
import { openHttp, type WhoOf, whoOf } from './transports/http/server.ts'
import { taskAdminRoutes } from './transports/http/task-admin-routes.ts'
import { taskRoutes } from './transports/http/task-routes.ts'
import { SseDoor } from './transports/sse.ts'
import { TcpDoor } from './transports/tcp.ts'
import { WebSocketDoor } from './transports/websocket.ts'
import type { World } from './world.ts'

/** An HTTP body holds a batch, a frame a call around a message; a message in JSON may be six times as long as it is. */
function envelopeBytes({ payloadBytes }: Config): number {
  return Math.max(2 ** 20, payloadBytes * 6 + 64 * 1024)
}

interface DoorParts {
  readonly config: Config
  readonly world: World
  readonly engine: Engine
  readonly lines: LogLines
  readonly tools: ServerTools
  readonly services: Services
  readonly registry: Registry
  readonly heartbeat: Heartbeat
  readonly unready: () => string | undefined
  readonly leaving: () => boolean
}

export interface Doors {
  readonly http: FastifyInstance
  readonly webSocket: WebSocketDoor
  /** Undefined: its port was taken, and nobody had asked for it. */
  readonly tcp: TcpDoor | undefined
}

/** Everything listens but HTTP, which is the last. */
export async function openDoors(parts: DoorParts): Promise<Doors> {
  const { config, world, engine, lines, tools, services, registry, heartbeat } = parts
  const { relay, rooms, tasks, ids, pulse } = services
  const { clock } = world
  const authorize = tools.authorize ?? allowAll
  const authenticator = tools.authenticator ?? openAuthenticator
  const onError = (error: unknown, where: string): void => lines.error({ err: error, where }, 'failed')
  const guard = new OriginGuard(config.origins, isLoopback(config.host) ? config.hosts : [...config.hosts, config.host])
  const rpc = rpcServices(parts, authorize, authenticator, onError)
  const received = { messages: 0, bytes: 0 }
  const onMessage = (bytes: number): void => {
    received.messages++
    received.bytes += bytes
  }
  const handshakes = new TokenBucket(clock, { perSecond: config.handshakes, burst: config.handshakeBurst })
  const admission = new Admission({ authenticator, registry, handshakes })
  const newSession = sessionMaker(world, ids, pulse, browserLimits(config))
  const webSocket = new WebSocketDoor({
    endpoints: [
      chatEndpoint(rpc),
      ...relayEndpoints(relay, authorize, config.payloadBytes),
      roomEndpoint(rooms, (error) => onError(error, 'room')),
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
  })
  const tcp = new TcpDoor({
    endpoint: tcpEndpoint(rpc),
    ...{ clock, admission, onMessage, onError },
    valueBytesMax: config.socketBytes,
    unfinishedMs: config.helloMs,
    keepAliveMs: config.pingMs,
    goodbyeMs: config.pongMs,
    tls: config.socketCert === '' ? undefined : { cert: config.socketCert, key: config.socketKey },
    // Answers leave at the end of the turn: whoever asks one question at a time is not kept waiting.
    newSession: sessionMaker(world, ids, new Pulse(clock, 0), socketLimits(config)),
  })
  const metrics = openMetrics({ ...services, registry, heartbeat, engine, received })
  const who = whoOf(authenticator)
  const routes = (scope: FastifyInstance): void => {
    addRoutes(scope, parts, { who, authorize })
    streams.routes(scope)
    const { logs: store, durability } = engine
    const { unready } = parts
    operationRoutes(scope, { metrics, store, relay, who, authorize, unready, durability, page: tools.page })
  }
  const http = await openHttp({ guard, lines, bodyBytesMax: envelopeBytes(config), leaving: parts.leaving, routes })
  http.server.on('upgrade', webSocket.upgrade)
  return { http, webSocket, tcp: await listenTcp(tcp, config, lines) }
}

function addRoutes(http: FastifyInstance, parts: DoorParts, asking: { who: WhoOf; authorize: Authorize }): void {
  const { engine, services, world } = parts
  const { log, direct, rooms, tasks, requests, pools, bookings } = services
  const storeTogether: Engine['storeTogether'] = (appends, added) => engine.storeTogether(appends, added)
  roomRoutes(http, { rooms, ...asking })
  messageRoutes(http, { direct, rooms, tasks, log, storeTogether, ...asking })
  taskRoutes(http, { tasks, ...asking })
  taskAdminRoutes(http, { tasks, ...asking })
  requestRoutes(http, { requests, ...asking })
  poolRoutes(http, { pools, bookings, monotonic: () => world.clock.monotonic(), ...asking })
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
    limits: { subscriptionsMax: config.subscriptions, payloadBytesMax: config.payloadBytes, pingMs: config.pingMs },
    now: () => world.clock.now(),
    monotonic: () => world.clock.monotonic(),
  }
}

/**
 * A port that was not asked for and is taken is done without, loudly: a second server on one machine, for a test say, need
 * not know of it.
 */
async function listenTcp(
  door: TcpDoor,
  { socketHost, socketPort }: Config,
  lines: LogLines,
): Promise<TcpDoor | undefined> {
  try {
    await door.listen(socketHost, socketPort)
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

function sessionMaker(world: World, ids: IdSource, pulse: Pulse, limits: SessionLimits) {
  const { clock } = world
  return (birth: { user: string | undefined; device: string; wire: Wire }): Session =>
    new Session({ ...birth, id: ids.next(), openedAt: clock.monotonic() }, { pulse, clock, limits })
}

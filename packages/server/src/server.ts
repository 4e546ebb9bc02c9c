// The composition root: config → engine → log → services → dialects → transports. The only file that names concrete
// classes of every layer. Opened in the order that it reads, closed in the order that `stop` prints.

import type { AddressInfo } from 'node:net'
import { encodeId, IdSource, NitkaError } from '@nitka/protocol'
import type { FastifyInstance } from 'fastify'
import { type Config, configure, options, type Wishes } from './config.ts'
import { chatEndpoint } from './dialects/chat.ts'
import { relayEndpoints } from './dialects/plain/relay.ts'
import { roomEndpoint } from './dialects/plain/room.ts'
import { taskEndpoint } from './dialects/plain/task.ts'
import type { RpcServices } from './dialects/rpc/context.ts'
import { Direct } from './direct/direct.ts'
import { Undelivered } from './direct/undelivered.ts'
import { openEmbedded } from './engines/embedded/engine.ts'
import type { Engine } from './engines/engine.ts'
import { Pulse } from './fanout/pulse.ts'
import { Log } from './log/log.ts'
import { type LogLines, openLogLines } from './observe/log-lines.ts'
import { openMetrics } from './observe/metrics.ts'
import { Relay } from './relay/relay.ts'
import { Rooms } from './rooms/rooms.ts'
import { Admission } from './sessions/admission.ts'
import { type Authenticator, type Authorize, allowAll, openAuthenticator } from './sessions/auth.ts'
import { drainSessions } from './sessions/drain.ts'
import { Heartbeat } from './sessions/heartbeat.ts'
import { isLoopback, OriginGuard } from './sessions/origin.ts'
import { Registry } from './sessions/registry.ts'
import { Session } from './sessions/session.ts'
import { TokenBucket } from './sessions/token-bucket.ts'
import type { Wire } from './sessions/wire.ts'
import { Generator, readGenerator } from './tasks/generator.ts'
import { Tasks } from './tasks/tasks.ts'
import { messageRoutes } from './transports/http/message-routes.ts'
import { operationRoutes } from './transports/http/operation-routes.ts'
import { roomRoutes } from './transports/http/room-routes.ts'
import { listen, openHttp, whoOf } from './transports/http/server.ts'
import { taskAdminRoutes } from './transports/http/task-admin-routes.ts'
import { taskRoutes } from './transports/http/task-routes.ts'
import { SseDoor } from './transports/sse.ts'
import { WebSocketDoor } from './transports/websocket.ts'
import { realWorld, sleep, type World } from './world.ts'

export interface ServerTools {
  /** Clock and chance. Default: the real ones. */
  readonly world?: World
  /** Who may do what. Default: everybody everything. */
  readonly authorize?: Authorize
  /** Who is who. Default: `?user=`, for development. */
  readonly authenticator?: Authenticator
  /** Opens the engine. Default: the embedded store in `config.data`. */
  readonly openEngine?: (config: Config, world: World) => Promise<Engine>
  /** The page at `/`. Default: none. */
  readonly page?: URL
  /** Told once when the server can no longer be trusted and must end: the store failed. */
  readonly onFatal?: (cause: Error) => void
}

/** How long a closing handshake, or a request under way, may take when the window is over. */
const goodbyeMs = 2_000
/** An HTTP body holds a batch, a frame a call around a message; a message in JSON may be six times as long as it is. */
function envelopeBytes({ payloadBytes }: Config): number {
  return Math.max(2 ** 20, payloadBytes * 6 + 64 * 1024)
}

/**
 * Opens a server and listens. Resolves when it takes traffic.
 * @throws NitkaError one line for a person: what is wrong and what to do
 */
export async function createServer(wishes: Wishes = {}, tools: ServerTools = {}): Promise<Server> {
  const config = configure(wishes)
  if (tools.authenticator === undefined) refuseOpenToTheWorld(config)
  const world = tools.world ?? realWorld()
  const lines = openLogLines(config.logLevel)
  const engine = await (tools.openEngine ?? embedded)(config, world)
  try {
    const server = await assemble(config, world, engine, lines, tools)
    await listen(server.http, config)
    return server
  } catch (error) {
    await engine.close()
    throw error
  }
}

export class Server {
  readonly direct: Direct
  readonly rooms: Rooms
  readonly relay: Relay
  readonly tasks: Tasks
  readonly registry: Registry
  readonly http: FastifyInstance
  readonly #door: WebSocketDoor
  readonly #config: Config
  readonly #world: World
  readonly #closers: readonly (() => unknown)[]
  #draining = false
  #leaving = false
  #stopping: Promise<void> | undefined

  constructor(
    parts: {
      direct: Direct
      rooms: Rooms
      relay: Relay
      tasks: Tasks
      registry: Registry
      http: FastifyInstance
      door: WebSocketDoor
    },
    config: Config,
    world: World,
    closers: readonly (() => unknown)[],
  ) {
    this.direct = parts.direct
    this.rooms = parts.rooms
    this.relay = parts.relay
    this.tasks = parts.tasks
    this.registry = parts.registry
    this.http = parts.http
    this.#door = parts.door
    this.#config = config
    this.#world = world
    this.#closers = closers
  }

  /** `http://127.0.0.1:8080`, with the port that was given. */
  get url(): string {
    const { address, port, family } = this.http.server.address() as AddressInfo
    const bare = address === '::' || address === '0.0.0.0' ? 'localhost' : address
    return `http://${family === 'IPv6' && bare === address ? `[${bare}]` : bare}:${port}`
  }

  /** Not ready: balancers should look elsewhere. */
  get draining(): boolean {
    return this.#draining
  }

  /** Nobody new is taken; the port stays open, so that probes hear why. */
  get leaving(): boolean {
    return this.#leaving
  }

  /**
   * Stops: not ready at once, then nobody new, then every connection its moment over the drain window, then the
   * confirmed is on disk and everything is closed. Resolves when done; a second call joins the first.
   * @param drainMs default `config.drainMs`
   */
  stop(drainMs: number = this.#config.drainMs): Promise<void> {
    this.#stopping ??= this.#stop(drainMs)
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0)
  }

  async #stop(drainMs: number): Promise<void> {
    this.#draining = true
    this.tasks.stop()
    const { clock } = this.#world
    if (drainMs > 0 && this.#config.preStopMs > 0) await sleep(clock, this.#config.preStopMs)
    this.#leaving = true
    await drainSessions(this.registry, clock, drainMs)
    await this.#door.settle(clock, drainMs === 0 ? 0 : goodbyeMs)
    const late = clock.after(goodbyeMs, () => this.http.server.closeAllConnections())
    await this.http.close()
    late.cancel()
    for (const close of this.#closers) await close()
  }
}

/** Tools that may be wrong to leave out on a public address. @throws NitkaError `invalid` */
function refuseOpenToTheWorld(config: Config): void {
  if (config.allowOpen || isLoopback(config.host)) return
  throw new NitkaError(
    'invalid',
    `host ${config.host} can be reached from other machines and nobody is asked who they are; use 127.0.0.1, or say --allow-open if that is meant`,
  )
}

function embedded(config: Config, world: World): Promise<Engine> {
  return openEmbedded({
    dataDir: config.data,
    world,
    durability: config.durability === 'relaxed' ? 'relaxed' : 'disk',
    // Left alone, the engine also keeps 2 % of a large disk.
    ...(config.reserveBytes === options.reserveBytes.default ? {} : { reserveBytes: config.reserveBytes }),
    dedupeWindowMs: config.dedupeMs,
    queueTasks: config.queueTasks,
    doneMs: config.doneMs,
    acceptLoss: config.acceptLoss,
  })
}

async function assemble(
  config: Config,
  world: World,
  engine: Engine,
  lines: LogLines,
  tools: ServerTools,
): Promise<Server> {
  const services = openServices(config, world, engine, lines)
  const { log, relay, direct, rooms, tasks, undelivered } = services
  const registry = new Registry({
    connectionsMax: config.connections,
    connectionsPerUserMax: config.connectionsPerUser,
    connectionsPerAddressMax: config.connectionsPerAddress,
    unauthenticatedMax: config.unauthenticated,
  })
  const heartbeat = new Heartbeat(world.clock, registry, {
    pingMs: config.pingMs,
    pongMs: config.pongMs,
    stallMs: config.stallMs,
    helloMs: config.helloMs,
    outboxTotalBytes: config.outboxTotalBytes,
  })
  engine.onFailed = (cause) => {
    lines.fatal({ err: cause }, 'the store failed; nothing more is confirmed')
    tools.onFatal?.(cause)
  }
  const unready = (): string | undefined => (server.draining ? 'draining' : engine.unhealthy())
  const leaving = (): boolean => server.leaving
  const parts = { config, world, engine, lines, tools, services, registry, heartbeat, unready, leaving }
  const { http, door } = await openDoors(parts)
  const generate = readGenerator(config.generate)
  const generator = generate && new Generator(tasks, world, generate)
  const server: Server = new Server({ direct, rooms, relay, tasks, registry, http, door }, config, world, [
    () => heartbeat.close(),
    () => undelivered?.close(),
    () => generator?.close(),
    () => tasks.close(),
    () => log.close(),
    () => engine.close(),
  ])
  return server
}

type Services = ReturnType<typeof openServices>

function openServices(config: Config, world: World, engine: Engine, lines: LogLines) {
  const { clock, random } = world
  const ids = new IdSource(() => clock.now(), random.bytes(8))
  const pulse = new Pulse(clock, config.pulseMs)
  // No other node writes to an embedded store, so there is nothing to sweep for.
  const log = new Log({ store: engine.logs, bus: engine.bus, pulse, clock, ids }, { sweepMs: 0 })
  const relay = new Relay(
    { bus: engine.bus, pulse, clock },
    {
      messagesMax: config.poolMessages,
      bytesMax: config.poolBytes,
      retryMs: config.retryMs,
      attemptsMax: config.attempts,
    },
  )
  const direct = new Direct(
    { log, clock, pulse },
    { payloadBytesMax: config.payloadBytes, noteUndelivered: config.webhookUrl !== '' },
  )
  const rooms = new Rooms(
    { log, directory: engine.rooms, clock, ids, pulse },
    {
      payloadBytesMax: config.payloadBytes,
      roomsPerUserMax: config.roomsPerUser,
      membersPerRoomMax: config.membersPerRoom,
    },
  )
  const tasks = new Tasks(
    {
      ...{ store: engine.tasks, clock, ids },
      onError: (error) => lines.error({ err: error, where: 'tasks' }, 'failed'),
      onProgress: (room, progress) => rooms.tellProgress(room, progress),
    },
    {
      leaseMs: config.leaseMs,
      maxAttempts: config.maxAttempts,
      backoffMs: config.backoffMs,
      backoffMaxMs: config.backoffMaxMs,
      payloadBytesMax: config.taskBytes,
      releaseOnDisconnect: config.releaseOnDisconnect,
    },
  )
  const undelivered = config.webhookUrl === '' ? undefined : openUndelivered(config, log, world)
  return { ids, pulse, log, relay, direct, rooms, tasks, undelivered }
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

async function openDoors(parts: DoorParts): Promise<{ http: FastifyInstance; door: WebSocketDoor }> {
  const { config, world, engine, lines, tools, services, registry, heartbeat } = parts
  const { ids, pulse, log, relay, direct, rooms, tasks } = services
  const authorize = tools.authorize ?? allowAll
  const authenticator = tools.authenticator ?? openAuthenticator
  const onInternal = (error: unknown, where: string): void => lines.error({ err: error, where }, 'failed')
  const guard = new OriginGuard(config.origins, isLoopback(config.host) ? config.hosts : [...config.hosts, config.host])
  const rpc: RpcServices = {
    ...{ relay, direct, rooms, tasks, registry, authenticator, authorize, onInternal },
    store: engine.logs,
    node: encodeId(world.random.bytes(12)),
    durability: engine.durability,
    limits: { subscriptionsMax: config.subscriptions, payloadBytesMax: config.payloadBytes, pingMs: config.pingMs },
    now: () => world.clock.now(),
  }
  const received = { messages: 0, bytes: 0 }
  const handshakes = new TokenBucket(world.clock, { perSecond: config.handshakes, burst: config.handshakeBurst })
  const admission = new Admission({ authenticator, registry, handshakes })
  const newSession = sessionMaker(config, world, ids, pulse)
  const door = new WebSocketDoor({
    endpoints: [
      chatEndpoint(rpc),
      ...relayEndpoints(relay, authorize, config.payloadBytes),
      roomEndpoint(rooms, (error) => onInternal(error, 'room')),
    ],
    ...{ admission, guard, newSession },
    clock: world.clock,
    frameBytesMax: envelopeBytes(config),
    goodbyeMs: config.pongMs,
    onMessage: (bytes) => {
      received.messages++
      received.bytes += bytes
    },
    onError: onInternal,
  })
  const streams = new SseDoor({
    endpoints: [taskEndpoint(tasks, authorize)],
    ...{ admission, newSession, onError: onInternal },
    clock: world.clock,
    commentMs: config.commentMs,
    streamsPerUserMax: config.streamsPerUser,
  })
  const metrics = openMetrics({ ...services, registry, heartbeat, engine, received })
  const who = whoOf(authenticator)
  const routes = (scope: FastifyInstance): void => {
    const { unready } = parts
    roomRoutes(scope, { rooms, who, authorize })
    const storeTogether: Engine['storeTogether'] = (appends, added) => engine.storeTogether(appends, added)
    messageRoutes(scope, { direct, rooms, tasks, log, storeTogether, who, authorize })
    streams.routes(scope)
    taskRoutes(scope, { tasks, who, authorize })
    taskAdminRoutes(scope, { tasks, who, authorize })
    const { logs: store, durability } = engine
    operationRoutes(scope, { metrics, store, relay, who, authorize, unready, durability, page: tools.page })
  }
  const http = await openHttp({ guard, lines, bodyBytesMax: envelopeBytes(config), leaving: parts.leaving, routes })
  http.server.on('upgrade', door.upgrade)
  return { http, door }
}

function sessionMaker(config: Config, world: World, ids: IdSource, pulse: Pulse) {
  const limits = {
    ratePerSecond: config.rate,
    burst: config.burst,
    unansweredMax: config.unanswered,
    unansweredBytes: config.unansweredBytes,
    outboxBytes: config.outboxBytes,
    replyBytes: config.replyBytes,
  }
  const { clock } = world
  return (birth: { user: string | undefined; device: string; wire: Wire }): Session =>
    new Session({ ...birth, id: ids.next(), openedAt: clock.monotonic() }, { pulse, clock, limits })
}

function openUndelivered(config: Config, log: Log, world: World): Undelivered {
  return new Undelivered(log, world.clock, {
    url: config.webhookUrl,
    afterMs: config.webhookAfterMs,
    secret: config.webhookSecret === '' ? undefined : config.webhookSecret,
    post: async (url, body, headers) => {
      const response = await fetch(url, { method: 'POST', body, headers, signal: AbortSignal.timeout(10_000) })
      await response.body?.cancel()
      if (response.ok) return 'accepted'
      const passing = response.status >= 500 || response.status === 408 || response.status === 429
      return passing ? 'later' : 'refused'
    },
  })
}

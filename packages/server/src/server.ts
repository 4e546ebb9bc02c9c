// The composition root: config → engine → services → doors. Together with services.ts and doors.ts the only file that names
// concrete classes of every layer. Opened in the order that it reads, closed in the order that `stop` prints.

import type { AddressInfo } from 'node:net'
import { NitkaError } from '@nitka/protocol'
import type { FastifyInstance } from 'fastify'
import { type Config, configure, options, type Wishes } from './config.ts'
import type { Direct } from './direct/direct.ts'
import { type Doors, openDoors } from './doors.ts'
import { openEmbedded } from './engines/embedded/engine.ts'
import type { Engine } from './engines/engine.ts'
import { type LogLines, openLogLines } from './observe/log-lines.ts'
import type { Bookings } from './pools/bookings.ts'
import type { Pools } from './pools/pools.ts'
import type { Relay } from './relay/relay.ts'
import type { Requests } from './requests/requests.ts'
import type { Rooms } from './rooms/rooms.ts'
import type { ServerTools } from './server-tools.ts'
import { openServices, type Services } from './services.ts'
import { drainSessions } from './sessions/drain.ts'
import { Heartbeat } from './sessions/heartbeat.ts'
import { isLoopback } from './sessions/origin.ts'
import { Registry } from './sessions/registry.ts'
import type { Tasks } from './tasks/tasks.ts'
import { listen } from './transports/http/server.ts'
import { realWorld, sleep, type World } from './world.ts'

export type { ServerTools } from './server-tools.ts'

/** How long a closing handshake, or a request under way, may take when the window is over. */
const goodbyeMs = 2_000
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
  let server: Server | undefined
  try {
    server = await assemble(config, world, engine, lines, tools)
    await listen(server.http, config)
    return server
  } catch (error) {
    await server?.stop(0)
    await engine.close()
    throw error
  }
}

export class Server {
  readonly direct: Direct
  readonly rooms: Rooms
  readonly relay: Relay
  readonly tasks: Tasks
  readonly requests: Requests
  readonly pools: Pools
  readonly bookings: Bookings
  readonly registry: Registry
  readonly http: FastifyInstance
  readonly #doors: Doors
  readonly #config: Config
  readonly #world: World
  readonly #closers: readonly (() => unknown)[]
  #draining = false
  #leaving = false
  #stopping: Promise<void> | undefined

  constructor(
    parts: { services: Services; registry: Registry; doors: Doors; config: Config; world: World },
    closers: readonly (() => unknown)[],
  ) {
    const { services, doors } = parts
    this.direct = services.direct
    this.rooms = services.rooms
    this.relay = services.relay
    this.tasks = services.tasks
    this.requests = services.requests
    this.pools = services.pools
    this.bookings = services.bookings
    this.registry = parts.registry
    this.http = doors.http
    this.#doors = doors
    this.#config = parts.config
    this.#world = parts.world
    this.#closers = closers
  }

  /** `http://127.0.0.1:8080`, with the port that was given. */
  get url(): string {
    const { address, port, family } = this.http.server.address() as AddressInfo
    const bare = address === '::' || address === '0.0.0.0' ? 'localhost' : address
    return `http://${family === 'IPv6' && bare === address ? `[${bare}]` : bare}:${port}`
  }

  /** The port of the TCP door; 0 on a Unix socket, undefined while there is none. */
  get socketPort(): number | undefined {
    return this.#doors.tcp?.port
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
    this.requests.stop()
    const { clock } = this.#world
    if (drainMs > 0 && this.#config.preStopMs > 0) await sleep(clock, this.#config.preStopMs)
    this.#leaving = true
    await drainSessions(this.registry, clock, drainMs)
    const settleMs = drainMs === 0 ? 0 : goodbyeMs
    await Promise.all([this.#doors.webSocket.settle(clock, settleMs), this.#doors.tcp?.close(settleMs)])
    const late = clock.after(goodbyeMs, () => this.http.server.closeAllConnections())
    await this.http.close()
    late.cancel()
    for (const close of this.#closers) await close()
  }
}

/** @throws NitkaError `invalid` */
function refuseOpenToTheWorld(config: Config): void {
  const open = [config.host, config.socketHost].find((host) => !isLoopback(host) && !host.includes('/'))
  if (config.allowOpen || open === undefined) return
  throw new NitkaError(
    'invalid',
    `host ${open} can be reached from other machines and nobody is asked who they are; use 127.0.0.1, or say --allow-open if that is meant`,
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
  const services = await openServices(config, world, engine, lines)
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
  const doors = await openDoors(parts)
  const server: Server = new Server({ services, registry, doors, config, world }, [
    () => heartbeat.close(),
    () => services.undelivered?.close(),
    () => services.generator?.close(),
    () => services.tasks.close(),
    () => services.requests.close(),
    () => services.pools.close(),
    () => services.bookings.close(),
    () => services.log.close(),
    () => engine.close(),
  ])
  return server
}

// The composition root: config → engine → services → doors. Together with services.ts and doors.ts the only file that names
// concrete classes of every layer. Opened in the order that it reads, closed in the order that `stop` prints.

import { NitkaError } from '@nitka/protocol'
import type { FastifyInstance } from 'fastify'
import { openAuthentication, shareTickets } from './authentication.ts'
import { type Config, configure, type Wishes } from './config.ts'
import type { Direct } from './direct/direct.ts'
import { type DoorParts, type Doors, openDoors } from './doors.ts'
import { tellSessions } from './event-sources.ts'
import { type EventName, Events, type ServerEvents } from './events.ts'
import { outboxBudget } from './memory.ts'
import { openLogLines } from './observe/log-lines.ts'
import { openEngine } from './open-engine.ts'
import type { BookingService } from './pools/booking-service.ts'
import type { PoolService } from './pools/pool-service.ts'
import type { Relay } from './relay/relay.ts'
import type { Requests } from './requests/requests.ts'
import type { Rooms } from './rooms/rooms.ts'
import type { ServerTools } from './server-tools.ts'
import { openServices, type Services } from './services.ts'
import { openAuthenticator } from './sessions/auth.ts'
import { Dam } from './sessions/dam.ts'
import { drainSessions } from './sessions/drain.ts'
import { Heartbeat } from './sessions/heartbeat.ts'
import { isLoopback } from './sessions/origin.ts'
import { Registry } from './sessions/registry.ts'
import type { Tasks } from './tasks/tasks.ts'
import { type Attach, addressOf, pathOf } from './transports/http/attachment.ts'
import type { Site } from './transports/http/site.ts'
import { realWorld, sleep, type World } from './world.ts'

export type { ServerTools } from './server-tools.ts'

/** How long a closing handshake, or a request under way, may take when the window is over. */
const goodbyeMs = 2_000

/** The part of the window that a running request has; the rest is for telling whoever waits for it. */
const runningShare = 0.75

/**
 * Opens a server and listens, or attaches to a server that is there (`tools.attach`). Resolves when it takes traffic; an
 * attached one takes it as soon as the other one listens.
 * @throws NitkaError one line for a person: what is wrong and what to do. Everything is closed again then
 */
export async function createServer(wishes: Wishes = {}, tools: ServerTools = {}): Promise<Server> {
  const config = configure(wishes)
  if (tools.attach !== undefined) checkAttach(tools.attach, wishes)
  const world = tools.world ?? realWorld()
  const lines = openLogLines(config.logLevel)
  const authentication = openAuthentication(config, world, lines, tools)
  if (authentication.authenticator === openAuthenticator) refuseOpenToTheWorld(config, tools.attach)
  const engine = await (tools.openEngine?.(config, world) ?? openEngine(config, world, lines))
  let server: Server | undefined
  try {
    const assembled = await assemble({ config, world, engine, lines, tools, authentication })
    server = assembled.server
    await assembled.site.open()
    return server
  } catch (error) {
    await server?.stop(0)
    await engine.close()
    throw error
  }
}

/** A running server, and its services for the program that it is a part of. */
export class Server {
  readonly direct: Direct
  readonly rooms: Rooms
  readonly relay: Relay
  readonly tasks: Tasks
  readonly requests: Requests
  readonly pools: PoolService
  readonly bookings: BookingService
  /** @internal */
  readonly registry: Registry
  /** Nitka's own Fastify, for `inject` in tests say. Its routes are Nitka's. */
  readonly http: FastifyInstance
  readonly #doors: Doors
  readonly #config: Config
  readonly #world: World
  readonly #events: Events
  readonly #closers: readonly (() => unknown)[]
  #draining = false
  #leaving = false
  #stopping: Promise<void> | undefined

  /** @internal */
  constructor(
    parts: { services: Services; registry: Registry; doors: Doors; config: Config; world: World; events: Events },
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
    this.#events = parts.events
    this.#closers = closers
  }

  /**
   * `http://127.0.0.1:8080`, with the port that was given; attached, `https://127.0.0.1:3000/nitka`.
   * @throws NitkaError `invalid` nothing listens: the server it is attached to does not yet, or this one was stopped
   */
  get url(): string {
    return this.#doors.site.url
  }

  /** The port of the TCP door; 0 on a Unix socket, undefined when there is none. */
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
   * Tells a listener what happens on this node from now on, until the returned function is called. In this process and at
   * most once: a crash, or a stop, may come between what happened and its event, and nothing is told again after a start. Told
   * at the end of the event-loop turn in which it happened (of the clock's `soon`), after it was durable, in the order in which it
   * happened; messages of one log in the order of their offsets. Before `stop` resolves everything has been told.
   *
   * Listeners are called one after the other and not awaited. What one throws, or its promise rejects with, is a line in the
   * log and hinders nobody. A listener may call the server, `stop` included.
   */
  on<Name extends EventName>(name: Name, listener: (event: ServerEvents[Name]) => unknown): () => void {
    return this.#events.on(name, listener)
  }

  /**
   * Stops: not ready at once, then nobody new, then every connection its moment over the drain window, then the
   * confirmed is on disk and everything is closed. Resolves when done; a second call joins the first. Attached, the other
   * server is left as it was found, and open; stop before you close it, since its `close` waits for our connections.
   * @param drainMs milliseconds, default `config.drainMs`; 0 ends all connections at once
   */
  stop(drainMs: number = this.#config.drainMs): Promise<void> {
    this.#stopping ??= this.#stop(drainMs)
    return this.#stopping
  }

  /** `stop` without a drain. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0)
  }

  async #stop(drainMs: number): Promise<void> {
    this.#draining = true
    this.tasks.stop()
    this.requests.stop()
    this.pools.stop()
    const { clock } = this.#world
    if (drainMs > 0 && this.#config.preStopMs > 0) await sleep(clock, this.#config.preStopMs)
    this.#leaving = true
    const late = clock.after(drainMs * runningShare, () => this.requests.abandon())
    await drainSessions(this.registry, clock, drainMs)
    late.cancel()
    const settleMs = drainMs === 0 ? 0 : goodbyeMs
    await Promise.all([this.#doors.webSocket.settle(clock, settleMs), this.#doors.tcp?.close(settleMs)])
    await this.#doors.site.close(goodbyeMs)
    for (const close of this.#closers) await close()
  }
}

/** @throws NitkaError `invalid` */
function checkAttach(attach: Attach, { host, port }: Wishes): void {
  pathOf(attach)
  if (host === undefined && port === undefined) return
  throw new NitkaError('invalid', 'attached to a server, host and port are those of that server; leave them out')
}

/** An attached server whose address is not known yet refuses what comes from other machines. @throws NitkaError `invalid` */
function refuseOpenToTheWorld(config: Config, attach: Attach | undefined): void {
  const host = attach === undefined ? config.host : addressOf(attach.server)
  const hosts = [...(host === undefined ? [] : [host]), ...(config.socketHost === '' ? [] : [config.socketHost])]
  const open = hosts.find((one) => !isLoopback(one) && !one.includes('/'))
  if (config.allowOpen || open === undefined) return
  throw new NitkaError(
    'invalid',
    `host ${open} can be reached from other machines and nobody is asked who they are; use 127.0.0.1 or --auth-mode jwt, or say --allow-open if that is meant`,
  )
}

async function assemble(
  given: Pick<DoorParts, 'config' | 'world' | 'engine' | 'lines' | 'tools' | 'authentication'>,
): Promise<{ readonly server: Server; readonly site: Site }> {
  const { config, world, engine, lines, tools } = given
  const events = new Events(world.clock, (error, event) => lines.error({ err: error, event }, 'a listener failed'))
  const { tickets, logins } = given.authentication
  // Where anybody may be anybody, what one user may have bounds nobody.
  const quotas = logins === undefined ? { ...config, roomsPerHour: 0 } : config
  const services = await openServices(quotas, world, engine, lines, events)
  if (engine.ownership !== undefined && services.peers !== undefined) {
    shareTickets(tickets, engine.ownership.node, services.peers, world.clock)
  }
  const limits = {
    connectionsMax: config.connections,
    connectionsPerUserMax: config.connectionsPerUser,
    connectionsPerAddressMax: config.connectionsPerAddress,
    unauthenticatedMax: config.unauthenticated,
    unauthenticatedPerAddressMax: config.unauthenticatedPerAddress,
  }
  const registry = new Registry(limits, tellSessions(events))
  const heartbeat = new Heartbeat(world.clock, registry, {
    pingMs: config.pingMs,
    pongMs: config.pongMs,
    stallMs: config.stallMs,
    helloMs: config.helloMs,
    outboxTotalBytes: outboxBudget(config),
  })
  const dam = new Dam()
  engine.onCrowded = (crowded) => dam.set(crowded)
  engine.onFailed = (cause) => {
    lines.fatal({ err: cause }, 'the store failed; nothing more is confirmed')
    events.tell('fatal', () => ({ cause }))
    tools.onFatal?.(cause)
  }
  const unready = (): string | undefined => (server.draining ? 'draining' : engine.unhealthy())
  const leaving = (): boolean => server.leaving
  const parts = { ...given, services, registry, heartbeat, dam, unready, leaving }
  const doors = await openDoors(parts)
  const server: Server = new Server({ services, registry, doors, config, world, events }, [
    () => heartbeat.close(),
    () => services.undelivered?.close(),
    () => services.generator?.close(),
    () => services.tasks.close(),
    () => services.requests.close(),
    () => services.pools.close(),
    () => services.rooms.close(),
    () => services.peers?.close(),
    () => services.log.close(),
    () => engine.close(),
    () => events.flush(),
  ])
  return { server, site: doors.site }
}

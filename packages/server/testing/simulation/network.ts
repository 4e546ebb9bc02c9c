// The simulated network: servers that listen in this process are reached by streams in memory. It splits and delays bytes,
// breaks connections at once, and falls silent, as it is told.

import { Server } from 'node:net'
import type { SimulatedClock } from '../clock.ts'
import type { Chance } from './chance.ts'
import { Flow, type NetworkRules } from './flow.ts'
import { ServerSocket } from './server-socket.ts'

/** How Node's server knows, while it closes, that connections are left. */
type Counting = Server & { _connections: number; _emitCloseIfDrained(): void }

/** How long a kernel asks a silent peer whether it is there. */
const probesMs = 10_000

/** The client's end of a connection. */
export class Line {
  onBytes: ((bytes: Buffer) => void) | undefined
  /** Called once, however it ends: refused, closed by the server, broken. */
  onClosed: (() => void) | undefined
  closed = false
  /** When the network broke it, or the server or this client ended it: from then on the server may know. */
  brokenAt: number | undefined
  /** When the server's end was gone. */
  serverGoneAt: number | undefined
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  write(bytes: Uint8Array): void {
    if (!this.closed) this.#connection.inward.push(bytes)
  }

  /** Reads nothing until `resume`. */
  pause(): void {
    this.#connection.outward.pause()
  }

  resume(): void {
    this.#connection.outward.resume()
  }

  /** Has said everything; answers still come. */
  end(): void {
    this.#connection.inward.end()
  }

  /** Ends it: what was sent before arrives, as the network allows. */
  close(): void {
    if (this.closed) return
    this.#connection.close()
    this.over()
  }

  /** Gone at once. */
  reset(): void {
    if (this.closed) return
    this.#connection.reset()
    this.over()
  }

  /** Told by the network. */
  over(): void {
    if (this.closed) return
    this.closed = true
    this.brokenAt ??= this.#connection.now
    this.onClosed?.()
  }
}

/** Both ends. */
class Connection {
  readonly line: Line
  readonly inward: Flow
  readonly outward: Flow
  #socket: ServerSocket | undefined
  #keepAliveMs = 0
  #frozen = false
  #cut = false
  readonly #network: Network
  readonly #port: number

  constructor(network: Network, port: number, number: number) {
    this.#network = network
    this.#port = number
    const { clock, chance, rules } = network
    const take = (bytes: Buffer): boolean => this.#socket?.receive(bytes) ?? false
    this.inward = new Flow(clock, chance, rules, { take, ended: () => this.#socket?.receiveEnd() })
    this.line = new Line(this)
    const { line } = this
    const heard = (bytes: Buffer): boolean => {
      line.onBytes?.(bytes)
      return true
    }
    this.outward = new Flow(clock, chance, rules, { take: heard, ended: () => line.close() })
    this.inward.pause()
    clock.after(chance.fraction() * rules.latencyMs, () => this.#arrive(port))
  }

  get now(): number {
    return this.#network.clock.monotonic()
  }

  /** The client is gone with a goodbye. What the server still had for it is refused. */
  close(): void {
    this.inward.end()
    const refuse = (): void => this.#break()
    this.outward.onRefused = refuse
    if (this.outward.waitingBytes > 0) refuse()
    this.outward.cut(0)
  }

  /** The network breaks it: each end hears of it in its time. */
  cut(): void {
    const { clock, chance, rules } = this.#network
    this.line.brokenAt ??= this.now
    this.#cut = true
    this.inward.cut(chance.pick([0, 0, 0.5, 1]))
    this.outward.cut(chance.pick([0, 0, 0.5, 1]))
    clock.after(chance.fraction() * rules.latencyMs, () => this.#socket?.fail('ECONNRESET'))
    clock.after(chance.fraction() * rules.latencyMs, () => this.line.over())
  }

  /** Silence, one way or both. */
  freeze(inward: boolean, outward: boolean): void {
    this.line.brokenAt ??= this.now
    this.#frozen = true
    if (inward) this.inward.freeze()
    if (outward) this.outward.freeze()
    this.#probe()
  }

  /** The client is gone: the server hears of it, unless the network is silent. */
  reset(): void {
    this.inward.cut(this.#network.chance.pick([0, 0.5, 1]))
    this.outward.cut(0)
    this.#break()
  }

  /** Word of it comes to the server, unless the network is silent. */
  #break(): void {
    const { clock, chance, rules } = this.#network
    if (!this.#frozen) clock.after(chance.fraction() * rules.latencyMs, () => this.#socket?.fail('ECONNRESET'))
  }

  /** The server's process is gone: what its kernel has may still arrive. */
  orphan(): void {
    const { clock, chance, rules } = this.#network
    this.#socket = undefined
    this.line.brokenAt ??= this.now
    this.inward.cut(0)
    this.outward.cut(chance.pick([0, 0.5, 1]))
    clock.after(chance.fraction() * rules.latencyMs, () => this.line.over())
  }

  #arrive(port: number): void {
    const server = this.#network.listening(port)
    if (server === undefined || this.line.closed || this.#cut) {
      this.#network.forget(this)
      this.line.over()
      return
    }
    const counting = server as Counting
    counting._connections++
    const socket = new ServerSocket(this.#port, {
      destroyed: () => {
        counting._connections--
        this.#destroyed()
        counting._emitCloseIfDrained()
      },
      keepAlive: (ms) => {
        this.#keepAliveMs = ms
        this.#probe()
      },
    })
    socket.inward = this.inward
    socket.outward = this.outward
    this.#socket = socket
    this.#network.opened++
    server.emit('connection', socket)
    this.inward.resume()
  }

  #destroyed(): void {
    this.line.brokenAt ??= this.now
    this.line.serverGoneAt = this.now
    this.#network.forget(this)
    this.inward.cut(0)
    this.outward.end()
  }

  #probe(): void {
    if (!this.#frozen || this.#keepAliveMs === 0) return
    this.#network.clock.after(this.#keepAliveMs + probesMs, () => this.#socket?.fail('ETIMEDOUT'))
  }
}

export class Network {
  readonly clock: SimulatedClock
  readonly chance: Chance
  readonly rules: NetworkRules
  opened = 0
  readonly #servers = new Map<number, Server>()
  readonly #connections = new Set<Connection>()
  #count = 0

  constructor(clock: SimulatedClock, chance: Chance, rules: NetworkRules) {
    this.clock = clock
    this.chance = chance
    this.rules = rules
  }

  /** Opens a connection; it is closed again when nobody listens. */
  connect(port: number): Line {
    const connection = new Connection(this, port, 10_000 + ++this.#count)
    this.#connections.add(connection)
    return connection.line
  }

  listening(port: number): Server | undefined {
    return this.#servers.get(port)
  }

  /** Connections that the server has not ended. */
  get open(): number {
    return this.#connections.size
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection)
  }

  /** Breaks one connection, if there is one. */
  cutOne(): void {
    this.#any()?.cut()
  }

  /** One connection falls silent. */
  freezeOne(): void {
    const [inward, outward] = this.chance.pick([
      [true, true],
      [true, true],
      [true, false],
      [false, true],
    ] as const)
    this.#any()?.freeze(inward, outward)
  }

  /** The process that listened is gone, and nobody of it hears of anything. */
  kill(): void {
    this.#servers.clear()
    for (const connection of this.#connections) connection.orphan()
    this.#connections.clear()
  }

  /** `listen` of Node's servers leads here, until the returned function is called. */
  install(): () => void {
    const { listen } = Server.prototype
    const servers = this.#servers
    Server.prototype.listen = function (this: Server, ...given: unknown[]): Server {
      const { port = 0, host = '' } = given[0] as { port?: number; host?: string }
      const told = given.find((one) => typeof one === 'function') as (() => void) | undefined
      const handle = {
        close: () => void (servers.get(port) === this && servers.delete(port)),
        getsockname: (out: object) => void Object.assign(out, { address: host, port, family: 'IPv4' }),
        ref: () => undefined,
        unref: () => undefined,
      }
      Object.assign(this, { _handle: handle })
      servers.set(port, this)
      if (told !== undefined) this.once('listening', told)
      process.nextTick(() => this.emit('listening'))
      return this
    }
    return () => {
      Server.prototype.listen = listen
    }
  }

  #any(): Connection | undefined {
    return this.#connections.size === 0 ? undefined : this.chance.pick([...this.#connections])
  }
}

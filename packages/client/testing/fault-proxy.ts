// A proxy that harms the connections that pass it: it cuts them, cuts them in the middle of a frame, goes silent, delays
// what passes, and lets a later connection through before an earlier one. What it does when is drawn from a seed.

import type { AddressInfo } from 'node:net'
import { createServer, connect as open, type Server, type Socket } from 'node:net'

export interface Faults {
  /** A connection lives this long on average, in milliseconds, until something is done to it. */
  readonly lifeMs: number
  /** Chunks are delayed by up to this. */
  readonly delayMs: number
  /** Connections wait up to this before they are let through. */
  readonly acceptMs: number
}

type Fate = 'cut' | 'truncate' | 'silence' | 'goodbye'

const fates: readonly Fate[] = ['cut', 'truncate', 'silence', 'goodbye']

export class FaultProxy {
  /** How often each thing was done. */
  readonly done: Record<Fate, number> = { cut: 0, truncate: 0, silence: 0, goodbye: 0 }
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #faults: Faults
  #target: () => number
  #seed: number
  #harming = true

  private constructor(target: () => number, faults: Faults, seed: number) {
    this.#target = target
    this.#faults = faults
    this.#seed = seed
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /** @param target the port to pass on to, asked for each connection */
  static async start(target: () => number, faults: Faults, seed: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, faults, seed)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** From now on everything passes unharmed. */
  calm(): void {
    this.#harming = false
  }

  /** Ends the connections that there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  #accept(client: Socket): void {
    this.connections++
    this.#keep(client)
    // What is held back here comes after those that came later.
    setTimeout(() => this.#join(client), this.#harming ? this.#chance() * this.#faults.acceptMs : 0)
  }

  #join(client: Socket): void {
    if (client.destroyed) return
    const server = open(this.#target(), '127.0.0.1')
    this.#keep(server)
    const link = { silent: false, truncate: false }
    this.#pass(client, server, link)
    this.#pass(server, client, link)
    const lifeMs = -Math.log(1 - this.#chance()) * this.#faults.lifeMs
    const timer = setTimeout(() => {
      if (this.#harming && !client.destroyed) this.#harm(client, server, link)
    }, lifeMs)
    client.on('close', () => clearTimeout(timer))
  }

  #pass(from: Socket, to: Socket, link: { silent: boolean; truncate: boolean }): void {
    let last = Promise.resolve()
    from.on('data', (chunk: Buffer) => {
      const { delayMs } = this.#faults
      const waitMs = this.#harming && this.#chance() < 0.1 ? this.#chance() * delayMs : 0
      // In order within a connection: TCP keeps that.
      last = last.then(async () => {
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
        if (link.silent || to.destroyed) return
        if (!link.truncate) return void to.write(chunk)
        to.write(chunk.subarray(0, Math.floor(this.#chance() * chunk.length)))
        from.destroy()
        to.end()
      })
    })
    from.on('close', () => {
      last = last.then(() => {
        if (!link.silent) to.destroy()
      })
    })
  }

  #harm(client: Socket, server: Socket, link: { silent: boolean; truncate: boolean }): void {
    const fate = fates[Math.floor(this.#chance() * fates.length)] ?? 'cut'
    this.done[fate]++
    if (fate === 'cut') {
      client.resetAndDestroy()
      server.resetAndDestroy()
    } else if (fate === 'goodbye') {
      client.end()
      server.end()
    } else if (fate === 'truncate') link.truncate = true
    else link.silent = true
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
  }

  /** mulberry32 */
  #chance(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

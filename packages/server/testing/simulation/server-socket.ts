// The server's end of a simulated connection: what Node's own socket is to `ws`, Fastify and the TCP door.

import { Duplex } from 'node:stream'
import type { Flow } from './flow.ts'

export interface SocketEvents {
  /** It was destroyed here. */
  destroyed(): void
  /** The kernel is to find out when the peer is gone without a word. */
  keepAlive(ms: number): void
}

export class ServerSocket extends Duplex {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort: number
  readonly localAddress = '127.0.0.1'
  bytesRead = 0
  /** Where what is written goes; set before the first write. */
  outward: Flow | undefined
  /** Where what is read comes from. */
  inward: Flow | undefined
  readonly #events: SocketEvents
  #taken = 0
  #waiting: (() => void) | undefined

  constructor(port: number, events: SocketEvents) {
    super({ allowHalfOpen: true, emitClose: false, readableHighWaterMark: 16 * 1024, writableHighWaterMark: 16 * 1024 })
    this.remotePort = port
    this.#events = events
  }

  /** What Node counts: taken by the kernel, or waiting here. */
  get bytesWritten(): number {
    return this.#taken + this.writableLength
  }

  /** Bytes came. False: no more until they are read. */
  receive(bytes: Buffer): boolean {
    if (this.destroyed) return false
    this.bytesRead += bytes.length
    return this.push(bytes)
  }

  /** The peer will send no more. */
  receiveEnd(): void {
    if (!this.destroyed) this.push(null)
  }

  /** The kernel found the connection broken. */
  fail(code: string): void {
    this.destroy(Object.assign(new Error(`read ${code}`), { code }))
  }

  setNoDelay(): this {
    return this
  }

  setTimeout(): this {
    return this
  }

  setKeepAlive(enable = false, ms = 0): this {
    if (enable) this.#events.keepAlive(ms)
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  override _read(): void {
    this.inward?.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const { outward } = this
    if (outward === undefined) return
    outward.push(chunk)
    const taken = (): void => {
      this.#taken += chunk.length
      done()
    }
    if (outward.hasRoom) return taken()
    this.#waiting = taken
    outward.onRoom = () => {
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.()
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.outward?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#events.destroyed()
    done(error)
    process.nextTick(() => this.emit('close', error !== null))
  }
}

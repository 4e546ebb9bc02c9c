// A client made of a bare socket, for tests that need what no library would do: odd handshakes, frames in pieces,
// silence, reading when the test says so.

import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { clientFrame, type Frame, FrameReader, opcodes } from './frames.ts'

/** How long a test waits for what must come before it fails. Never decides a test that passes. */
const patienceMs = 60_000

/** A connection to `url` on which nothing was sent; closed with the test. */
export class RawSocket {
  readonly socket: Socket
  readonly ended: Promise<void>
  /** What arrived, unless `onBytes` takes it. */
  bytes: Buffer = Buffer.alloc(0)
  onBytes: ((bytes: Buffer) => void) | undefined
  #wake: (() => void) | undefined
  #over = false

  constructor(t: TestContext, url: string) {
    const { hostname, port } = new URL(url)
    this.socket = connectSocket(Number(port), hostname)
    this.socket.on('error', () => undefined)
    this.socket.on('data', (chunk) => {
      if (this.onBytes === undefined) this.bytes = Buffer.concat([this.bytes, chunk])
      else this.onBytes(chunk)
      this.#wake?.()
    })
    this.socket.on('end', () => this.socket.destroy())
    this.ended = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.#over = true
        this.#wake?.()
        resolve()
      })
    })
    t.after(() => this.socket.destroy())
  }

  get over(): boolean {
    return this.#over
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Waits until `condition` holds; checked whenever something arrives, and at the end. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!condition()) {
      const left = deadline - performance.now()
      if (this.#over || left <= 0) throw new Error(`${this.#over ? 'ended' : 'waited too long'} before ${what}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

export class RawClient {
  readonly raw: RawSocket
  /** What was wrong with the stream of frames. */
  #fault: Error | undefined
  readonly #reader = new FrameReader()

  private constructor(raw: RawSocket) {
    this.raw = raw
    const { bytes } = raw
    raw.onBytes = (chunk) => this.#take(chunk)
    this.#take(bytes.subarray(raw.text.indexOf('\r\n\r\n') + 4))
  }

  /** Upgrades `path`. Rejects with the answer when it is refused. */
  static async open(t: TestContext, url: string, path: string, headers: readonly string[] = []): Promise<RawClient> {
    const raw = new RawSocket(t, url)
    raw.send(upgradeRequest(url, path, headers))
    await raw.until(() => raw.text.includes('\r\n\r\n'), 'the answer to the upgrade')
    if (!raw.text.startsWith('HTTP/1.1 101 ')) throw new Error(raw.text.slice(0, 500))
    return new RawClient(raw)
  }

  /** Frames so far. Throws when what arrived is not a valid stream of frames. */
  get frames(): readonly Frame[] {
    if (this.#fault !== undefined) throw this.#fault
    return this.#reader.frames
  }

  /** Bytes at the end that are no whole frame. */
  get left(): number {
    return this.#reader.left
  }

  /** Data frames as text. */
  get texts(): readonly string[] {
    return this.frames.filter(({ opcode }) => opcode < opcodes.close).map(({ payload }) => payload.toString())
  }

  /** The code in the server's close frame. */
  get closeCode(): number | undefined {
    return this.frames.find(({ opcode }) => opcode === opcodes.close)?.payload.readUInt16BE(0)
  }

  send(opcode: number, payload: Uint8Array | string, fin = true): void {
    this.raw.send(clientFrame(opcode, payload, fin))
  }

  until(condition: () => boolean, what: string): Promise<void> {
    return this.raw.until(condition, what)
  }

  pause(): void {
    this.raw.socket.pause()
  }

  resume(): void {
    this.raw.socket.resume()
  }

  #take(bytes: Buffer): void {
    try {
      this.#reader.push(bytes)
    } catch (error) {
      this.#fault ??= error as Error
    }
  }
}

export function upgradeRequest(url: string, path: string, headers: readonly string[] = []): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    ...(headers.some((line) => line.toLowerCase().startsWith('host:')) ? [] : [`Host: ${new URL(url).host}`]),
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** The code with which the server says goodbye, or 0 when it says nothing. */
export async function goodbyeOf(client: RawClient): Promise<number> {
  await Promise.race([client.raw.ended, client.until(() => client.closeCode !== undefined, 'a close frame')])
  return client.closeCode ?? 0
}

/** Resolves once the socket is open. */
export async function opened(raw: RawSocket): Promise<void> {
  if (raw.socket.connecting) await once(raw.socket, 'connect')
}

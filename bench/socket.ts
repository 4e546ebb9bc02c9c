// A cheap WebSocket client: it must cost less than the servers that it measures. Frames from the server are found by
// their heads; only who asks is given payloads.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const mask = Buffer.from([1, 2, 3, 4])

/** A client's text frame. */
export function frameOf(text: string): Buffer {
  const payload = Buffer.from(text)
  const length = payload.length
  const head = length < 126 ? Buffer.from([0x81, 0x80 | length]) : Buffer.from([0x81, 0xfe, length >> 8, length & 255])
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0))])
}

export class BenchSocket {
  /** Frames received. */
  frames = 0
  /** Bytes received. */
  bytes = 0
  onData: (() => void) | undefined
  onPayload: ((payload: Buffer) => void) | undefined
  readonly socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  readonly #fixed: number

  private constructor(socket: Socket, fixed: number) {
    this.socket = socket
    this.#fixed = fixed
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
  }

  /** @param fixed bytes of every frame, when all are alike: then they are counted without looking. 0: they are not */
  static async open(url: URL, path: string, options: { fixed?: number; protocol?: string } = {}): Promise<BenchSocket> {
    const socket = connect(Number(url.port), url.hostname)
    await once(socket, 'connect')
    const { fixed = 0, protocol } = options
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${url.host}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Version: 13',
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    const end = answer.indexOf('\r\n\r\n')
    if (!answer.toString('latin1', 0, 12).endsWith('101') || end < 0) throw new Error(`refused: ${answer}`)
    const client = new BenchSocket(socket, fixed)
    socket.on('data', (chunk) => client.#take(chunk))
    if (answer.length > end + 4) client.#take(answer.subarray(end + 4))
    return client
  }

  send(frames: Buffer): void {
    this.socket.write(frames)
  }

  close(): void {
    this.socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.#fixed > 0 && this.onPayload === undefined) this.frames = Math.floor(this.bytes / this.#fixed)
    else this.#parse(chunk)
    this.onData?.()
  }

  #parse(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (data.length - at >= 2) {
      const short = (data[at + 1] ?? 0) & 127
      const head = short < 126 ? 2 : 4
      if (data.length - at < head) break
      const length = short < 126 ? short : data.readUInt16BE(at + 2)
      if (data.length - at < head + length) break
      this.frames++
      this.onPayload?.(data.subarray(at + head, at + head + length))
      at += head + length
    }
    this.#rest = data.subarray(at)
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until `condition` holds, at most `ms`. Returns whether it did. */
export async function until(condition: () => boolean, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  while (!condition()) {
    if (performance.now() > deadline) return false
    await sleep(5)
  }
  return true
}

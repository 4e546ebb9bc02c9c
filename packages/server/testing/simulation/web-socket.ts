// A WebSocket client on the simulated network, and HTTP: requests of one answer each, and streams of events.

import { clientFrame, FrameReader, opcodes } from '../frames.ts'
import { upgradeRequest } from '../raw.ts'
import type { Line } from './network.ts'
import { ResponseReader } from './response-reader.ts'
import { ports } from './server-life.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'

/** How long a client waits for a handshake, or for an answer. */
export const patienceMs = 5_000
const url = `http://127.0.0.1:${ports.http}`

export class WebSocketClient {
  readonly number: number
  readonly line: Line
  onMessage: ((payload: Buffer, binary: boolean) => void) | undefined
  onClosed: (() => void) | undefined
  /** When something was heard last. */
  heardAt: number
  readonly #simulation: Simulation
  readonly #reader = new FrameReader()

  private constructor(simulation: Simulation, line: Line) {
    this.#simulation = simulation
    this.number = simulation.next()
    this.line = line
    this.heardAt = simulation.now
  }

  /**
   * @param opened sets the listeners: messages may come with the answer to the upgrade
   * @throws Lost, Refused with the status
   */
  static async open(
    simulation: Simulation,
    path: string,
    opened: (client: WebSocketClient) => void,
    protocol = '',
  ): Promise<WebSocketClient> {
    const line = simulation.network.connect(ports.http)
    const headers = protocol === '' ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]
    line.write(Buffer.from(upgradeRequest(url, path, headers)))
    const client = new WebSocketClient(simulation, line)
    await client.#handshake(opened)
    return client
  }

  get closed(): boolean {
    return this.line.closed
  }

  send(message: string | Buffer): void {
    this.line.write(clientFrame(typeof message === 'string' ? opcodes.text : opcodes.binary, message))
  }

  /** Says goodbye. */
  close(): void {
    this.line.write(clientFrame(opcodes.close, Buffer.from([3, 232])))
    this.line.close()
  }

  #handshake(opened: (client: WebSocketClient) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const { line } = this
      let bytes = Buffer.alloc(0)
      const late = this.#simulation.clock.after(patienceMs, () => line.reset())
      line.onClosed = () => {
        late.cancel()
        reject(new Lost('the handshake'))
      }
      line.onBytes = (chunk) => {
        bytes = Buffer.concat([bytes, chunk])
        const end = bytes.indexOf('\r\n\r\n')
        if (end < 0) return
        late.cancel()
        const status = bytes.toString('latin1', 9, 12)
        if (status === '101') {
          line.onClosed = () => this.onClosed?.()
          line.onBytes = (more) => this.#take(more)
          opened(this)
          resolve()
          this.#take(bytes.subarray(end + 4))
          return
        }
        line.onClosed = undefined
        line.onBytes = undefined
        line.reset()
        reject(new Refused(status, bytes.toString('latin1', 0, 300)))
      }
    })
  }

  #take(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.heardAt = this.#simulation.now
    try {
      this.#reader.push(bytes)
    } catch (error) {
      this.#simulation.history.wrong(`frames: ${(error as Error).message}`)
      return this.line.reset()
    }
    for (const { opcode, payload } of this.#reader.frames.splice(0)) {
      if (opcode === opcodes.ping) this.line.write(clientFrame(opcodes.pong, payload))
      else if (opcode === opcodes.close) {
        this.line.write(clientFrame(opcodes.close, payload.subarray(0, 2)))
        this.line.close()
      } else if (opcode !== opcodes.pong) this.onMessage?.(payload, opcode === opcodes.binary)
    }
  }
}

/** One request, one answer. @throws Lost, Refused with the code of the problem */
export async function request(simulation: Simulation, method: string, path: string, body?: unknown): Promise<any> {
  const line = simulation.network.connect(ports.http)
  const text = body === undefined ? '' : JSON.stringify(body)
  line.write(Buffer.from(requestHead(method, path, text)))
  const answer = await new Promise<ResponseReader>((resolve, reject) => {
    const reader = new ResponseReader()
    const late = simulation.clock.after(patienceMs, () => line.reset())
    line.onClosed = () => {
      late.cancel()
      if (reader.complete) resolve(reader)
      else reject(new Lost(`${method} ${path}`))
    }
    line.onBytes = (bytes) => {
      reader.push(bytes)
      if (reader.complete) line.close()
    }
  })
  const json = answer.type.includes('json') ? JSON.parse(answer.text) : answer.text
  if (answer.status >= 400) throw new Refused(json.code ?? String(answer.status), json.detail ?? '')
  return json
}

/** A stream of events, until it is closed. */
export class EventStream {
  readonly number: number
  readonly line: Line
  onEvent: ((event: { readonly name: string; readonly data: string }) => void) | undefined
  onClosed: (() => void) | undefined
  heardAt: number
  #rest = ''
  #seen = 0

  constructor(simulation: Simulation, path: string) {
    this.number = simulation.next()
    this.heardAt = simulation.now
    this.line = simulation.network.connect(ports.http)
    this.line.write(Buffer.from(requestHead('GET', path, '')))
    const reader = new ResponseReader()
    this.line.onClosed = () => this.onClosed?.()
    this.line.onBytes = (bytes) => {
      this.heardAt = simulation.now
      reader.push(bytes)
      if (reader.status >= 400 || reader.complete) return this.line.reset()
      this.#read(reader.text.slice(this.#seen))
      this.#seen = reader.text.length
    }
  }

  #read(fresh: string): void {
    this.#rest += fresh
    for (let end = this.#rest.indexOf('\n\n'); end >= 0; end = this.#rest.indexOf('\n\n')) {
      const lines = this.#rest.slice(0, end).split('\n')
      this.#rest = this.#rest.slice(end + 2)
      const field = (name: string): string | undefined =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const data = field('data')
      if (data !== undefined) this.onEvent?.({ name: field('event') ?? 'message', data })
    }
  }
}

function requestHead(method: string, path: string, body: string): string {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${ports.http}`]
  if (body !== '') lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

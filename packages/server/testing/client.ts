// A WebSocket client for tests: what arrives waits in order until it is taken, and taking waits until it arrives.

import { once } from 'node:events'
import { WebSocket, type ClientOptions as WsOptions } from 'ws'

export interface ClientOptions {
  /** Subprotocols to offer. */
  readonly protocols?: string[]
  readonly headers?: Record<string, string>
}

/** How long a test waits for what must come before it fails. Never decides a test that passes. */
const patienceMs = 60_000

export interface Closed {
  readonly code: number
  readonly reason: string
}

export class Client {
  readonly ws: WebSocket
  readonly closed: Promise<Closed>
  /** Everything that arrived and was not taken, oldest first; binary as Buffer. */
  readonly arrived: (string | Buffer)[] = []
  #wake: (() => void) | undefined
  #nextId = 1
  readonly #calls = new Map<number, { resolve: (value: any) => void; reject: (error: Error) => void }>()

  private constructor(ws: WebSocket) {
    this.ws = ws
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() })
        for (const { reject } of this.#calls.values()) reject(new Error(`closed with ${code}`))
        this.#wake?.()
      })
    })
    ws.on('error', () => undefined)
    ws.on('message', (data: Buffer, isBinary) => {
      this.#take(isBinary ? data : data.toString())
    })
  }

  /** Rejects with the HTTP status and body in its message when the upgrade is refused. */
  static async open(url: string, options: ClientOptions = {}): Promise<Client> {
    const { protocols = [], headers = {} } = options
    const ws = new WebSocket(url, protocols, { headers, perMessageDeflate: false } satisfies WsOptions)
    const client = new Client(ws)
    const refused = new Promise<never>((_, reject) => {
      ws.on('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => reject(new Error(`${response.statusCode} ${Buffer.concat(chunks).toString()}`)))
      })
      ws.on('error', reject)
    })
    await Promise.race([once(ws, 'open'), refused])
    return client
  }

  send(message: string | Buffer | object): void {
    const text = typeof message === 'string' || Buffer.isBuffer(message)
    this.ws.send(text ? message : JSON.stringify(message))
  }

  /** The next `count` messages, as soon as they are there. */
  async take(count: number): Promise<(string | Buffer)[]> {
    await this.until(() => this.arrived.length >= count, `${count} messages`)
    return this.arrived.splice(0, count)
  }

  /** The next message as JSON. */
  async json(): Promise<any> {
    const [message = ''] = await this.take(1)
    return JSON.parse(message.toString())
  }

  /** The next `count` messages as JSON. */
  async jsons(count: number): Promise<any[]> {
    return (await this.take(count)).map((message) => JSON.parse(message.toString()))
  }

  /** Calls over rpc; notifications and everything else stay in `arrived`. Rejects with the error's `data.code` as `code`. */
  call(method: string, params: object = {}): Promise<any> {
    const id = this.#nextId++
    const answer = new Promise<any>((resolve, reject) => this.#calls.set(id, { resolve, reject }))
    this.send({ jsonrpc: '2.0', id, method, params })
    return answer
  }

  /** Waits until `condition` holds; checked whenever something arrives. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!condition()) {
      const left = deadline - performance.now()
      if (this.ws.readyState === WebSocket.CLOSED)
        throw new Error(`closed while waiting for ${what}; have ${this.#summary()}`)
      if (left <= 0) throw new Error(`waited too long for ${what}; have ${this.#summary()}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Stops and resumes reading from the socket. */
  pause(): void {
    this.ws.pause()
  }

  resume(): void {
    this.ws.resume()
  }

  close(): void {
    this.ws.close()
  }

  /** Gone without a goodbye. */
  terminate(): void {
    this.ws.terminate()
  }

  #take(message: string | Buffer): void {
    if (this.#calls.size > 0 && typeof message === 'string' && message.startsWith('{"jsonrpc":"2.0","id":')) {
      const { id, result, error } = JSON.parse(message)
      const call = this.#calls.get(id)
      if (call !== undefined) {
        this.#calls.delete(id)
        if (error === undefined) call.resolve(result)
        else
          call.reject(
            Object.assign(new Error(error.message), {
              code: error.data.code,
              rpc: error.code,
              field: error.data.field,
            }),
          )
        return
      }
    }
    this.arrived.push(message)
    this.#wake?.()
  }

  #summary(): string {
    return `${this.arrived.length}: ${this.arrived.slice(0, 3).map((one) => one.toString().slice(0, 200))}`
  }
}

// The rpc dialect, over whatever carries text: calls, notifications, and patience that ends.

import { rpcSubprotocol } from '@nitka/protocol'
import type { Timer } from '../../src/world.ts'
import type { Line } from './network.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'
import { TcpClient } from './tcp-values.ts'
import { patienceMs, WebSocketClient } from './web-socket.ts'

/** A connection that carries text. */
interface Carrier {
  readonly number: number
  readonly line: Line
  heardAt: number
  onMessage: ((payload: Buffer, binary: boolean) => void) | undefined
  onClosed: (() => void) | undefined
  send(text: string): void
  close(): void
}

interface Waiting {
  readonly resolve: (result: any) => void
  readonly reject: (error: Error) => void
  readonly late: Timer
}

/** Silence after which a client asks whether the server is there. */
const silenceMs = 4_000

export class RpcClient {
  onNotified: ((method: string, params: any) => void) | undefined
  onClosed: (() => void) | undefined
  readonly carrier: Carrier
  /** How long an answer may take. */
  patience = patienceMs
  readonly #simulation: Simulation
  readonly #waiting = new Map<number, Waiting>()
  readonly #watch: Timer
  #calls = 0

  private constructor(simulation: Simulation, carrier: Carrier) {
    this.#simulation = simulation
    this.carrier = carrier
    carrier.onMessage = (payload) => this.#take(JSON.parse(payload.toString()))
    carrier.onClosed = () => this.#end()
    this.#watch = simulation.clock.every(silenceMs, () => this.#look())
  }

  /** Over WebSocket, as `user`. @throws Lost, Refused */
  static async open(simulation: Simulation, user: string, device = ''): Promise<RpcClient> {
    let client: RpcClient | undefined
    const opened = (carrier: WebSocketClient): void => {
      client = new RpcClient(simulation, carrier)
    }
    await WebSocketClient.open(simulation, `/ws?user=${user}`, opened, rpcSubprotocol)
    if (client === undefined) throw new Lost('the connection')
    if (device !== '') await client.call('session.hello', { device })
    return client
  }

  /** Over TCP, as nobody in particular. */
  static overTcp(simulation: Simulation): RpcClient {
    return new RpcClient(simulation, new TcpClient(simulation, '\n'))
  }

  get number(): number {
    return this.carrier.number
  }

  get closed(): boolean {
    return this.carrier.line.closed
  }

  /**
   * @param heard called with the result before anything that came after it is handled
   * @throws Lost, Refused
   */
  call(method: string, params: object = {}, heard?: (result: any) => void): Promise<any> {
    if (this.closed) return Promise.reject(new Lost(method))
    const id = ++this.#calls
    return new Promise((settle, reject) => {
      const late = this.#simulation.clock.after(this.patience, () => this.vanish())
      const resolve = (result: any): void => {
        heard?.(result)
        settle(result)
      }
      this.#waiting.set(id, { resolve, reject, late })
      this.carrier.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    })
  }

  /** Without an answer. */
  tell(method: string, params: object): void {
    if (!this.closed) this.carrier.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
  }

  close(): void {
    this.carrier.close()
  }

  /** Gone without a goodbye. */
  vanish(): void {
    this.carrier.line.reset()
  }

  /** Resolves when the connection is over. */
  ended(): Promise<void> {
    if (this.closed) return Promise.resolve()
    return new Promise((resolve) => {
      const before = this.onClosed
      this.onClosed = () => {
        before?.()
        resolve()
      }
    })
  }

  #take(message: {
    id?: number
    type?: string
    method?: string
    params?: unknown
    result?: unknown
    error?: any
  }): void {
    if (message.method !== undefined) return this.onNotified?.(message.method, message.params)
    // Over TCP a server that stops says so in the plain dialect.
    if (message.type === 'errMsgFromClient') return this.vanish()
    const waiting = this.#waiting.get(message.id ?? -1)
    if (waiting === undefined) return this.#simulation.history.wrong(`an answer to no call: ${message.id}`)
    this.#waiting.delete(message.id ?? -1)
    waiting.late.cancel()
    if (message.error === undefined) waiting.resolve(message.result)
    else waiting.reject(new Refused(message.error.data?.code ?? 'none', message.error.message))
  }

  #look(): void {
    if (this.#simulation.now - this.carrier.heardAt < silenceMs || this.#waiting.size > 0) return
    this.call('session.ping').catch(() => undefined)
  }

  #end(): void {
    this.#watch.cancel()
    for (const { late, reject } of this.#waiting.values()) {
      late.cancel()
      reject(new Lost('the connection'))
    }
    this.#waiting.clear()
    this.onClosed?.()
  }
}

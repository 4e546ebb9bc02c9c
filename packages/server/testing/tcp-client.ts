// A client of the kind that exists: values ended by 🦀, answers matched by type and queryIndex.

import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface Reply {
  readonly type: string
  readonly queryIndex: number | string
  readonly resultJob: any
}

export class TcpClient {
  readonly socket: Socket
  readonly values: any[] = []
  /** Endings in the order of the values. */
  readonly endings: string[] = []
  closed = false
  #text = ''
  #listeners: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('utf8')
    socket.on('error', () => undefined)
    socket.on('data', (chunk: string) => {
      this.#text += chunk
      for (let found = /\n|🦀/u.exec(this.#text); found !== null; found = /\n|🦀/u.exec(this.#text)) {
        this.values.push(JSON.parse(this.#text.slice(0, found.index)))
        this.endings.push(found[0])
        this.#text = this.#text.slice(found.index + found[0].length)
      }
      this.#tell()
    })
    socket.on('close', () => {
      this.closed = true
      this.#tell()
    })
  }

  static async open(t: TestContext, to: NetConnectOpts): Promise<TcpClient> {
    const socket = connect(to)
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return new TcpClient(socket)
  }

  send(value: unknown, ending = '🦀'): void {
    this.socket.write((typeof value === 'string' ? value : JSON.stringify(value)) + ending)
  }

  ask(type: string, queryIndex: number, payload?: unknown): void {
    this.send({ type, queryIndex, payload })
  }

  /** The answer, when it is there. */
  async answer(type: string, queryIndex: number | string): Promise<any> {
    const find = (): Reply | undefined =>
      this.values.find((value) => value.type === type && value.queryIndex === queryIndex)
    await this.until(() => find() !== undefined, `an answer to ${type} ${queryIndex}`)
    return find()?.resultJob
  }

  async call(type: string, queryIndex: number, payload?: unknown): Promise<any> {
    this.ask(type, queryIndex, payload)
    return this.answer(type, queryIndex)
  }

  async until(done: () => boolean, what: string, ms = 40_000): Promise<void> {
    let over = false
    const late = setTimeout(() => {
      over = true
      this.#tell()
    }, ms)
    while (!done()) {
      if (over) throw new Error(`not in ${ms} ms: ${what}; got ${JSON.stringify(this.values).slice(0, 500)}`)
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
    clearTimeout(late)
  }

  #tell(): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }
}

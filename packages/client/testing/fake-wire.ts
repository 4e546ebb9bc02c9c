// A server without a network: the wires that a client dials, for a test to open, answer and end.

import { type ErrorCode, errors } from '@nitka/protocol'
import type { Dial, Wire, WireEvents } from '../src/wire.ts'

/** What a client sent: a call, or a notification when it has no id. */
export interface Said {
  readonly id?: number
  readonly method: string
  readonly params: any
}

/** What a method is answered with: a result, an error, or undefined for nothing at all. */
type Answerer = (params: any, wire: FakeWire) => unknown

/** Thrown by an answerer: the call is refused. */
export class Refusal extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, text: string = code) {
    super(text)
    this.code = code
  }
}

export class FakeWire implements Wire {
  waiting = 0
  /** The client said goodbye. */
  closed = false
  /** It ended, by the client or by the test. */
  over = false
  readonly sent: Said[] = []
  readonly #events: WireEvents
  readonly #answered = new Set<number>()
  readonly #server: FakeServer

  constructor(events: WireEvents, server: FakeServer) {
    this.#events = events
    this.#server = server
  }

  open(): void {
    this.#events.opened()
  }

  /** The server says something. */
  say(value: unknown): void {
    this.text(JSON.stringify(value))
  }

  text(text: string): void {
    this.#events.text(text)
  }

  notify(method: string, params: object): void {
    this.say({ jsonrpc: '2.0', method, params })
  }

  end(code?: number, reason = ''): void {
    if (this.over) return
    this.over = true
    this.#events.ended(code, reason)
  }

  /** Calls of a method, answered or not. */
  calls(method: string): Said[] {
    return this.sent.filter((one) => one.method === method)
  }

  /** Names of what was sent, in order. */
  get methods(): string[] {
    return this.sent.map(({ method }) => method)
  }

  /** The oldest call of a method that has no answer yet. */
  next(method: string): Said & { readonly id: number } {
    const waits = ({ id }: Said) => id !== undefined && !this.#answered.has(id)
    const said = this.sent.find((one) => one.method === method && waits(one))
    if (said === undefined) throw new Error(`no ${method} waits for its answer; sent: ${this.methods.join(', ')}`)
    return said as Said & { readonly id: number }
  }

  /** Answers the oldest call of a method. */
  answer(method: string, result: unknown = {}): void {
    this.result(this.next(method).id, result)
  }

  result(id: number, result: unknown): void {
    this.#answered.add(id)
    this.say({ jsonrpc: '2.0', id, result })
  }

  /** Refuses the oldest call of a method. */
  refuse(method: string, code: ErrorCode, text: string = code, field?: string): void {
    this.#refuse(this.next(method).id, code, text, field)
  }

  send(text: string): void {
    if (this.closed || this.over) throw new Error(`sent on a wire that is over: ${text}`)
    const said = JSON.parse(text) as Said
    this.sent.push(said)
    if (said.id !== undefined) this.#answered.delete(said.id)
    const answerer = this.#server.answerers.get(said.method)
    if (answerer === undefined || said.id === undefined) return
    const { id } = said
    queueMicrotask(() => {
      if (!this.over && !this.closed) this.#reply(id, answerer, said.params)
    })
  }

  close(): void {
    this.closed = true
    this.over = true
  }

  #reply(id: number, answerer: Answerer, params: unknown): void {
    try {
      const result = answerer(params, this)
      if (result !== undefined) this.result(id, result)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#refuse(id, error.code, error.message)
    }
  }

  #refuse(id: number, code: ErrorCode, message: string, field?: string): void {
    this.#answered.add(id)
    const { rpc, retry } = errors[code]
    this.say({ jsonrpc: '2.0', id, error: { code: rpc, message, data: { code, retry, field } } })
  }
}

export class FakeServer {
  readonly wires: FakeWire[] = []
  readonly answerers = new Map<string, Answerer>()
  readonly dial: Dial = (events) => {
    const wire = new FakeWire(events, this)
    this.wires.push(wire)
    return wire
  }

  /** The newest. */
  get wire(): FakeWire {
    const wire = this.wires.at(-1)
    if (wire === undefined) throw new Error('nothing was dialled')
    return wire
  }

  /** From now on calls of that method are answered by themselves. */
  on(method: string, answerer: Answerer): void {
    this.answerers.set(method, answerer)
  }
}

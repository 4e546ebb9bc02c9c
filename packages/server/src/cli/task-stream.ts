// The connection of a worker: the stream of `GET /task`, opened again whenever it ends.

import { NitkaError } from '@nitka/protocol'
import type { World } from '../world.ts'
import { EventStreamReader, type StreamEvent } from './event-stream.ts'
import { refusal, type Target, unreachable } from './server-call.ts'

/** The wait before a reconnect when the server does not say, and the longest one, milliseconds. */
const retryMs = 1_000
const retryMaxMs = 30_000
/** Silence after which a connection is taken for dead. A server writes a comment every 15 s unless told otherwise. */
const silenceMs = 60_000

export interface TaskStreamEvents {
  readonly event: (event: StreamEvent) => void
  /** One line: connected, or why not and what happens next. */
  readonly log: (line: string) => void
}

export class TaskStream {
  readonly #url: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #world: World
  readonly #events: TaskStreamEvents
  readonly #reader: EventStreamReader
  readonly #closing = new AbortController()

  constructor({ url, headers }: Target, world: World, events: TaskStreamEvents) {
    this.#url = url
    this.#headers = headers
    this.#world = world
    this.#events = events
    this.#reader = new EventStreamReader(events.event)
  }

  /** Ends `run`. Nothing more is reported. */
  close(): void {
    this.#closing.abort()
  }

  /**
   * Reads until closed, reconnecting with growing waits of random length.
   * @throws NitkaError `unavailable` nobody answered the first time; the server's own refusal, when a repeat cannot help
   */
  async run(): Promise<void> {
    let failures = 0
    let greeted = false
    while (!this.#closing.signal.aborted) {
      let why = 'the stream ended'
      try {
        const body = await this.#open()
        greeted = true
        this.#events.log(`connected to ${this.#url.origin}`)
        failures = 0
        await this.#read(body)
      } catch (error) {
        if (this.#closing.signal.aborted) return
        const known = error instanceof NitkaError ? error : undefined
        if (!greeted && known?.code === 'unavailable') throw error
        if (known !== undefined && final(known)) throw error
        why = error instanceof Error ? error.message : String(error)
      }
      if (this.#closing.signal.aborted) return
      const waitMs = this.#waitMs(failures++)
      this.#events.log(`disconnected: ${why}; again in ${waitMs} ms`)
      await this.#sleep(waitMs)
    }
  }

  async #open(): Promise<ReadableStream<Uint8Array>> {
    const id = this.#reader.lastEventId
    const headers = { ...this.#headers, accept: 'text/event-stream', ...(id === '' ? {} : { 'last-event-id': id }) }
    const response = await fetch(this.#url, { headers, signal: this.#closing.signal }).catch((error: unknown) => {
      throw unreachable(this.#url, error)
    })
    if (!response.ok) throw await refusal(response)
    const type = response.headers.get('content-type') ?? ''
    if (response.body === null || !type.startsWith('text/event-stream')) {
      await response.body?.cancel()
      throw new NitkaError('invalid', `${this.#url.origin} answers, but not with a stream of tasks`)
    }
    return response.body
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    this.#reader.restart()
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const input = body.getReader()
    let lastAt = this.#world.clock.monotonic()
    let silent = false
    const watch = this.#world.clock.every(silenceMs / 4, () => {
      if (this.#world.clock.monotonic() - lastAt < silenceMs) return
      silent = true
      input.cancel().catch(ignore)
    })
    try {
      for (let piece = await input.read(); !piece.done; piece = await input.read()) {
        lastAt = this.#world.clock.monotonic()
        this.#reader.push(decoder.decode(piece.value, { stream: true }))
      }
    } finally {
      watch.cancel()
      input.cancel().catch(ignore)
    }
    if (silent) throw new Error(`nothing came for ${silenceMs / 1000} s`)
  }

  /** At least half of the growing wait: neither all workers at once nor one of them in a tight loop. */
  #waitMs(failures: number): number {
    const most = Math.min(retryMaxMs, (this.#reader.retryMs ?? retryMs) * 2 ** Math.min(failures, 10))
    return Math.round((most / 2) * (1 + this.#world.random.fraction()))
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#closing
    return new Promise((resolve) => {
      const timer = this.#world.clock.after(ms, resolve)
      signal.addEventListener(
        'abort',
        () => {
          timer.cancel()
          resolve()
        },
        { once: true },
      )
    })
  }
}

/** Whether asking again gets the same answer. */
function final(error: NitkaError): boolean {
  return !['unavailable', 'draining', 'overloaded', 'internal'].includes(error.code)
}

function ignore(): void {
  // The connection is gone already.
}

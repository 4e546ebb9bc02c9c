// What is asked over HTTP at one time: requests wait in memory with their bodies, and one socket may send many before the first is
// answered. So there is a bound for each socket, and one for all together; beyond the latter a body is not read until there is room.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { NitkaError } from '@nitka/protocol'
import type { Clock, Timer } from '../../world.ts'

/** Requests of one socket that are not answered; with more it is cut off. No client of good will comes near. */
const requestsPerSocketMax = 1_000
const socketBytesMax = 8 * 2 ** 20
const allBytesMax = 64 * 2 ** 20

/** Requests that wait for room. Of each no more than what a stream holds is in memory. */
const waitersMax = 1_000
const waitMs = 5_000

interface Share {
  requests: number
  bytes: number
}

interface Entry {
  readonly share: Share
  /** What its body is counted as. */
  bytes: number
  /** Undefined: it has its room. */
  waiter: Waiter | undefined
}

interface Waiter {
  readonly timer: Timer
  readonly letIn: () => void
  readonly refuse: (error: NitkaError) => void
}

export class Load {
  /** Bytes of the bodies of all requests under way. */
  bytes = 0
  /** Requests refused, or cut off, because too much was under way. */
  refused = 0
  readonly #clock: Clock
  readonly #bodyBytesMax: number
  readonly #sockets = new WeakMap<Socket, Share>()
  readonly #entries = new WeakMap<IncomingMessage, Entry>()
  /** In the order in which they came. */
  readonly #waiting = new Set<Entry>()

  /** @param bodyBytesMax counted for a body that does not say how large it is, while it comes in */
  constructor(clock: Clock, bodyBytesMax: number) {
    this.#clock = clock
    this.#bodyBytesMax = bodyBytesMax
  }

  /**
   * Counts a request until its socket is done with it, and its body until it is answered.
   * @returns what to wait for before the body is read; rejects with `overloaded`. Undefined: nothing
   * @throws NitkaError `overloaded`
   */
  enter(request: IncomingMessage, response: ServerResponse): Promise<void> | undefined {
    const { socket } = request
    const share = this.#sockets.get(socket) ?? { requests: 0, bytes: 0 }
    this.#sockets.set(socket, share)
    if (share.requests >= requestsPerSocketMax) {
      socket.destroy()
      throw this.#refusal(`at most ${requestsPerSocketMax} requests of a connection may be unanswered`)
    }
    const bytes = this.#bodyBytes(request)
    // One alone is always let in, however large it may be.
    if (share.bytes > 0 && share.bytes + bytes > socketBytesMax) throw this.#refusal(tooMuch)
    const fits = this.#fits(bytes)
    if (!fits && this.#waiting.size >= waitersMax) throw this.#refusal(tooMuch)
    const entry: Entry = { share, bytes, waiter: undefined }
    this.#entries.set(request, entry)
    share.requests += 1
    share.bytes += bytes
    response.once('close', () => {
      share.requests -= 1
      this.#resize(entry, 0)
    })
    if (!fits) return this.#wait(entry)
    this.bytes += bytes
    return undefined
  }

  /** The body begins to come in: when it is all here, what it is counted as is what it is. */
  measure(request: IncomingMessage, body: Readable): void {
    const entry = this.#entries.get(request)
    if (entry === undefined || entry.bytes === 0 || request.headers['transfer-encoding'] === undefined) return
    let bytes = 0
    body.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    body.once('end', () => this.#resize(entry, Math.min(bytes, entry.bytes)))
  }

  /** There is an answer: the body is not needed any more, though answers to earlier requests may have to leave first. */
  answered(request: IncomingMessage): void {
    const entry = this.#entries.get(request)
    if (entry !== undefined) this.#resize(entry, 0)
  }

  #fits(bytes: number): boolean {
    if (bytes === 0) return true
    return this.#waiting.size === 0 && (this.bytes === 0 || this.bytes + bytes <= allBytesMax)
  }

  #wait(entry: Entry): Promise<void> {
    const room = Promise.withResolvers<void>()
    // The request may be refused for something else before anybody waits.
    room.promise.catch(() => undefined)
    const timer = this.#clock.after(waitMs, () => this.#giveUp(entry))
    entry.waiter = { timer, letIn: room.resolve, refuse: room.reject }
    this.#waiting.add(entry)
    return room.promise
  }

  #giveUp(entry: Entry): void {
    const { waiter, share } = entry
    this.#leaveLine(entry)
    share.bytes -= entry.bytes
    entry.bytes = 0
    waiter?.refuse(this.#refusal(tooMuch))
    this.#letIn()
  }

  #resize(entry: Entry, bytes: number): void {
    if (entry.bytes === bytes) return
    if (entry.waiter !== undefined) return this.#giveUp(entry)
    const freed = entry.bytes - bytes
    entry.bytes = bytes
    entry.share.bytes -= freed
    this.bytes -= freed
    this.#letIn()
  }

  #letIn(): void {
    for (const entry of this.#waiting) {
      if (this.bytes > 0 && this.bytes + entry.bytes > allBytesMax) return
      const { waiter } = entry
      this.#leaveLine(entry)
      this.bytes += entry.bytes
      waiter?.letIn()
    }
  }

  #leaveLine(entry: Entry): void {
    this.#waiting.delete(entry)
    entry.waiter?.timer.cancel()
    entry.waiter = undefined
  }

  #refusal(message: string): NitkaError {
    this.refused++
    return new NitkaError('overloaded', message)
  }

  #bodyBytes({ method, headers }: IncomingMessage): number {
    // Nobody reads a body there.
    if (method === 'GET' || method === 'HEAD') return 0
    if (headers['transfer-encoding'] !== undefined) return this.#bodyBytesMax
    const length = Number(headers['content-length'] ?? 0)
    // What is larger than a body may be is refused by its size.
    return Number.isSafeInteger(length) && length > 0 ? Math.min(length, this.#bodyBytesMax) : 0
  }
}

const tooMuch = 'too many requests with large bodies are under way; come back in a moment'

// An SSE stream as a wire: a response that does not end. Nothing comes back on it, so what the socket takes is all that is
// known of the peer.

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { CloseReason } from '@nitka/protocol'
import type { Wire } from '../sessions/wire.ts'
import { takenBy } from './socket-taken.ts'
import { sseFraming } from './sse-framing.ts'

export class SseWire implements Wire {
  readonly transport = 'sse'
  readonly framing = sseFraming
  readonly remoteAddress: string
  onDrain: (() => void) | undefined
  readonly #response: ServerResponse
  readonly #socket: Socket

  constructor(response: ServerResponse, socket: Socket) {
    this.#response = response
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress ?? ''
    response.on('drain', () => this.onDrain?.())
  }

  write(parts: readonly Uint8Array[], onTaken: (() => void) | undefined): void {
    const response = this.#response
    if (response.writableEnded || response.destroyed) return
    const taken = onTaken && ((error: Error | null | undefined) => (error ? undefined : onTaken()))
    const [first] = parts
    if (first === undefined) {
      if (response.writableLength === 0) onTaken?.()
      else this.#socket.write('', taken)
      return
    }
    response.write(parts.length === 1 ? first : Buffer.concat(parts), taken)
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  get blocked(): boolean {
    return this.#response.writableNeedDrain
  }

  get taken(): number {
    return takenBy(this.#socket)
  }

  /** A peer that takes the comments is there. */
  get received(): number {
    return this.taken
  }

  pause(): void {
    // Nothing is read.
  }

  resume(): void {
    // Nothing is read.
  }

  /** A comment: clients pass over it, and what lies between keeps the connection open. */
  ping(): void {
    if (!this.#response.writableEnded) this.#response.write(':\n\n')
  }

  /** The end of a stream says no reason: a client comes back by itself. */
  close(_reason: CloseReason, _text: string): void {
    this.#response.end()
  }

  terminate(): void {
    this.#socket.destroy()
  }
}

// A WebSocket as a wire. `ws` receives, answers pings and says goodbye; what goes out is framed by us and written to
// the socket that `ws` was given. Both write whole frames in one call, so neither cuts into the other's.

import type { Socket } from 'node:net'
import { type CloseReason, closeCodes } from '@nitka/protocol'
import { WebSocket } from 'ws'
import type { Wire } from '../sessions/wire.ts'
import { takenBy } from './socket-taken.ts'
import { webSocketFraming } from './websocket-framing.ts'

export class WebSocketWire implements Wire {
  readonly transport = 'websocket'
  readonly framing = webSocketFraming
  readonly remoteAddress: string
  onDrain: (() => void) | undefined
  readonly #socket: Socket
  readonly #ws: WebSocket

  constructor(ws: WebSocket, socket: Socket) {
    this.#ws = ws
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress ?? ''
    socket.on('drain', () => this.onDrain?.())
  }

  /** Nothing follows a close frame: once either side said goodbye, bytes are dropped. */
  write(parts: readonly Uint8Array[], onTaken: (() => void) | undefined): void {
    const socket = this.#socket
    if (this.#ws.readyState !== WebSocket.OPEN || socket.destroyed || !socket.writable) return
    const taken = onTaken && ((error: Error | null | undefined) => (error ? undefined : onTaken()))
    const last = parts.length - 1
    if (last < 0) {
      // Nothing of its own to write: what was handed over earlier decides.
      if (socket.writableLength === 0) onTaken?.()
      else socket.write('', taken)
      return
    }
    if (last === 0) {
      socket.write(parts[0] as Uint8Array, taken)
      return
    }
    socket.cork()
    for (let i = 0; i < last; i++) socket.write(parts[i] as Uint8Array)
    socket.write(parts[last] as Uint8Array, taken)
    socket.uncork()
  }

  get pendingBytes(): number {
    return this.#socket.writableLength
  }

  get blocked(): boolean {
    return this.#socket.writableNeedDrain
  }

  get taken(): number {
    return takenBy(this.#socket)
  }

  get received(): number {
    return this.#socket.bytesRead
  }

  pause(): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.pause()
  }

  resume(): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.resume()
  }

  ping(): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping()
  }

  close(reason: CloseReason, text: string): void {
    this.resume()
    this.#ws.close(closeCodes[reason].code, text)
  }

  terminate(): void {
    this.#ws.terminate()
  }
}

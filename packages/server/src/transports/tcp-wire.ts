// A TCP connection as a wire.

import type { Socket } from 'node:net'
import type { CloseReason } from '@nitka/protocol'
import type { LineFraming, Wire } from '../sessions/wire.ts'
import { takenBy } from './socket-taken.ts'
import { tcpFramings } from './tcp-framing.ts'

export class TcpWire implements Wire {
  readonly transport = 'tcp'
  /** Of the value that came last: what is not an answer is ended like it. */
  framing: LineFraming = tcpFramings['\n']
  readonly remoteAddress: string
  onDrain: (() => void) | undefined
  /** Told before reading goes on: what was read already comes first, and may stop it again. */
  onResume: (() => void) | undefined
  paused = false
  readonly #socket: Socket
  #asked = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress ?? ''
    socket.on('drain', () => this.onDrain?.())
  }

  write(parts: readonly Uint8Array[], onTaken: (() => void) | undefined): void {
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) return
    const taken = onTaken && ((error: Error | null | undefined) => (error ? undefined : onTaken()))
    const [first] = parts
    if (first === undefined) {
      if (socket.writableLength === 0) onTaken?.()
      else socket.write('', taken)
      return
    }
    // Small answers: joining them costs less than a vector of them.
    socket.write(parts.length === 1 ? first : Buffer.concat(parts), taken)
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
    return this.#socket.bytesRead + this.#asked
  }

  pause(): void {
    this.paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.paused = false
    this.onResume?.()
    if (!this.paused) this.#socket.resume()
  }

  /** A client need not speak while it has nothing to ask: whether it is there, the kernel asks (TCP keepalive). */
  ping(): void {
    this.#asked += 1
  }

  close(_reason: CloseReason, _text: string): void {
    this.#socket.resume()
    this.#socket.end()
  }

  terminate(): void {
    this.#socket.destroy()
  }
}

// The outbox: what a session still has to write. Owns the order and the bound; the pulse says when. Everything that
// goes to a connection passes here, so what was queued first is written first.

import type { Beat, Pulse } from '../fanout/pulse.ts'
import type { Wire } from './wire.ts'

export class Outbox implements Beat {
  readonly #wire: Wire
  readonly #pulse: Pulse
  readonly #softBytes: number
  readonly #replyBytesMax: number
  readonly #onOverflow: () => void
  #parts: Uint8Array[] = []
  #bytes = 0
  /** Bytes of replies that the socket has not taken. */
  #replyBytes = 0
  /** Those of them that are queued here. */
  #replyBytesQueued = 0
  /** The limit was reached since the last write, so somebody may wait for room. */
  #crowded = false
  /** The socket took the last write while it was made. */
  #atOnce = false
  #taken: (() => void)[] = []
  #listeners = new Set<() => void>()
  #closed = false

  /**
   * @param limits `softBytes`: durable subscriptions stop here, 0: never. `replyBytes`: most that replies may wait
   * @param onOverflow called when replies pass their limit: the connection is to end
   */
  constructor(wire: Wire, pulse: Pulse, limits: { softBytes: number; replyBytes: number }, onOverflow: () => void) {
    this.#wire = wire
    this.#pulse = pulse
    this.#softBytes = limits.softBytes === 0 ? Number.POSITIVE_INFINITY : limits.softBytes
    this.#replyBytesMax = limits.replyBytes
    this.#onOverflow = onOverflow
    wire.onDrain = this.#drained
  }

  /** Bytes queued here and handed to the socket without being taken. */
  get bytes(): number {
    return this.#bytes + this.#wire.pendingBytes
  }

  get hasRoom(): boolean {
    return this.bytes < this.#softBytes
  }

  get flowing(): boolean {
    return !this.#wire.blocked && this.hasRoom
  }

  /** Queues bytes for the next pulse. A closed outbox drops. No bytes: `onTaken` waits for what is ahead of it. */
  push(bytes: Uint8Array, onTaken?: () => void): void {
    if (this.#closed || (bytes.length === 0 && onTaken === undefined)) return
    if (this.#parts.length === 0 && this.#taken.length === 0) this.#pulse.addOutbox(this)
    if (bytes.length > 0) this.#parts.push(bytes)
    this.#bytes += bytes.length
    if (onTaken !== undefined) this.#taken.push(onTaken)
    if (!this.hasRoom) this.#crowded = true
  }

  /** Queues an answer. Answers cannot be read again later, so they have a bound of their own. */
  pushReply(bytes: Uint8Array): void {
    this.#replyBytes += bytes.length
    this.#replyBytesQueued += bytes.length
    this.push(bytes)
    // One answer may be as large as a page of history: what counts is what waited before it.
    if (this.#replyBytes - bytes.length >= this.#replyBytesMax) this.#onOverflow()
  }

  /** Writes what is queued, as one write. */
  beat(): void {
    if (this.#closed) return
    const parts = this.#parts
    const taken = this.#taken
    if (parts.length === 0 && taken.length === 0) return
    const replyBytes = this.#replyBytesQueued
    // A socket that took the last write at once will do so again, and needs no callback; one of TLS never does.
    const trusted = this.#atOnce
    if (replyBytes > 0 && !trusted) taken.push(() => this.#repliesTaken(replyBytes))
    // Who waits for room must hear of it even when the socket takes everything at once and so never drains.
    if (this.#crowded) taken.push(this.#drained)
    this.#parts = []
    this.#taken = []
    this.#bytes = 0
    this.#replyBytesQueued = 0
    this.#crowded = false
    this.#wire.write(parts, taken.length === 0 ? undefined : () => callAll(taken))
    this.#atOnce = this.#wire.pendingBytes === 0
    if (replyBytes === 0 || !trusted) return
    if (this.#atOnce) this.#repliesTaken(replyBytes)
    else this.#wire.write(nothing, () => this.#repliesTaken(replyBytes))
  }

  onDrain(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Writes what is queued and takes nothing more. */
  close(): void {
    this.beat()
    this.#closed = true
    this.#listeners.clear()
  }

  /** Drops what is queued: the connection is gone. */
  drop(): void {
    this.#closed = true
    this.#parts = []
    this.#taken = []
    this.#bytes = 0
    this.#listeners.clear()
  }

  #repliesTaken(bytes: number): void {
    this.#replyBytes -= bytes
  }

  readonly #drained = (): void => {
    for (const listener of [...this.#listeners]) listener()
  }
}

const nothing: readonly Uint8Array[] = []

function callAll(callbacks: readonly (() => void)[]): void {
  for (const callback of callbacks) callback()
}

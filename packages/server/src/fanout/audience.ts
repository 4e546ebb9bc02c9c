// Broadcasts by name, each there while somebody listens.

import { Broadcast, type Listener } from './broadcast.ts'
import type { Pulse } from './pulse.ts'

export class Audience<M> {
  readonly #pulse: Pulse
  readonly #broadcasts = new Map<string, Broadcast<M>>()

  constructor(pulse: Pulse) {
    this.#pulse = pulse
  }

  get size(): number {
    return this.#broadcasts.size
  }

  /** Adds a listener; the returned function removes it and may be called twice. */
  add(name: string, listener: Listener<M>): () => void {
    let broadcast = this.#broadcasts.get(name)
    if (broadcast === undefined) {
      broadcast = new Broadcast(this.#pulse)
      this.#broadcasts.set(name, broadcast)
    }
    const mine = broadcast
    mine.add(listener)
    return () => {
      mine.remove(listener)
      if (mine.size === 0 && this.#broadcasts.get(name) === mine) this.#broadcasts.delete(name)
    }
  }

  publish(name: string, message: M, bytes: number): void {
    this.#broadcasts.get(name)?.publish(message, bytes)
  }
}

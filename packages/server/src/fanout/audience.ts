// Broadcasts by name, each there while somebody listens, over all nodes: what is published on one is heard on those where
// somebody listens. What is not stored goes this way; a message that the bus loses is missed.

import { type BusSubscription, subjectToken } from '../bus.ts'
import { Broadcast, type Listener } from './broadcast.ts'
import { type Exchange, jsonPart, readJsonPart } from './exchange.ts'
import type { Pulse } from './pulse.ts'

export interface AudienceOptions<M> {
  /** The first token of subjects. */
  readonly subject: string
  /** What another node published, checked; undefined: not understood. */
  readonly read: (value: unknown) => M | undefined
  /** Told of what comes from other nodes, before the listeners. */
  readonly heard?: (message: M) => void
}

interface Named<M> {
  readonly broadcast: Broadcast<M>
  readonly remote: BusSubscription
  /** Those who want it to be there, listeners included. */
  followers: number
}

export class Audience<M> {
  readonly #pulse: Pulse
  readonly #exchange: Exchange
  readonly #options: AudienceOptions<M>
  readonly #names = new Map<string, Named<M>>()

  constructor(tools: { pulse: Pulse; exchange: Exchange }, options: AudienceOptions<M>) {
    this.#pulse = tools.pulse
    this.#exchange = tools.exchange
    this.#options = options
  }

  get size(): number {
    return this.#names.size
  }

  /** Adds a listener; the returned function removes it and may be called twice. */
  add(name: string, listener: Listener<M>): () => void {
    const unfollow = this.follow(name)
    const broadcast = this.#names.get(name)?.broadcast
    broadcast?.add(listener)
    return () => {
      broadcast?.remove(listener)
      unfollow()
    }
  }

  /** Hears what other nodes publish, without a listener, until the returned function is called; that may be twice. */
  follow(name: string): () => void {
    const named = this.#names.get(name) ?? this.#open(name)
    named.followers++
    let following = true
    return () => {
      if (!following) return
      following = false
      if (--named.followers > 0) return
      named.remote.cancel()
      this.#names.delete(name)
    }
  }

  /** To the listeners on all nodes. @param bytes about how large the message is */
  publish(name: string, message: M, bytes: number): void {
    this.publishHere(name, message, bytes)
    if (!this.#exchange.alone) this.#exchange.tell(this.#subject(name), jsonPart(message))
  }

  /** To the listeners of this node: the others know by themselves. */
  publishHere(name: string, message: M, bytes: number): void {
    this.#names.get(name)?.broadcast.publish(message, bytes)
  }

  #open(name: string): Named<M> {
    const broadcast = new Broadcast<M>(this.#pulse)
    const remote = this.#exchange.listen(this.#subject(name), (data) => {
      const message = this.#options.read(readJsonPart(data))
      if (message === undefined) {
        this.#exchange.counts.damaged++
        return
      }
      this.#options.heard?.(message)
      broadcast.publish(message, data.length)
    })
    const named = { broadcast, remote, followers: 0 }
    this.#names.set(name, named)
    return named
  }

  #subject(name: string): string {
    return `${this.#options.subject}.${subjectToken(name)}`
  }
}

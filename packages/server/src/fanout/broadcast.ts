// A channel's messages on their way to many receivers. Messages gather until the pulse; then each encoding joins them
// once, and every listener of that encoding is offered the same bytes. What a listener does at its limit is its own
// rule (relay/pool.ts drops, log/subscription.ts reads later). bench/fan-out

import type { Beat, Pulse } from './pulse.ts'
import type { Encoded, Encoder } from './recipient.ts'

/** One subscription's end of a channel. */
export interface Listener<M> {
  readonly encoder: Encoder<M>
  /** Takes, leaves or keeps what the channel produced in this pulse. Must not throw. */
  take(batch: Batch<M>): void
}

/** So many bytes are joined and written at once, without waiting for the pulse. */
const joinedBytesMax = 256 * 1024

/** What a channel produced in one pulse, in one encoding. */
export class Batch<M> {
  readonly messages: readonly M[]
  readonly #senders: readonly (Listener<M> | undefined)[]
  readonly #encoded: Encoded
  #copies: (Uint8Array | undefined)[] | undefined

  constructor(messages: readonly M[], senders: readonly (Listener<M> | undefined)[], encoded: Encoded) {
    this.messages = messages
    this.#senders = senders
    this.#encoded = encoded
  }

  /** All messages, joined. */
  get bytes(): Uint8Array {
    return this.#encoded.bytes
  }

  /** Where message `index` begins in `bytes`. */
  startOf(index: number): number {
    return index === 0 ? 0 : (this.#encoded.ends[index - 1] ?? 0)
  }

  /** All messages from index `skip` on, joined. */
  from(skip: number): Uint8Array {
    return skip === 0 ? this.#encoded.bytes : this.#encoded.bytes.subarray(this.startOf(skip))
  }

  /** One message alone, in memory of its own, so that keeping it does not keep the whole batch. Copied once for all. */
  copyOf(index: number): Uint8Array {
    this.#copies ??= new Array(this.messages.length)
    // A Buffer's own `slice` and Buffer.from would share memory.
    const copy =
      this.#copies[index] ?? new Uint8Array(this.bytes.subarray(this.startOf(index), this.#encoded.ends[index]))
    this.#copies[index] = copy
    return copy
  }

  isFrom(index: number, listener: Listener<M>): boolean {
    return this.#senders[index] === listener
  }

  /** Calls `give` with the joined runs of messages that are not the listener's own, in order. Returns how many. */
  around(listener: Listener<M>, give: (bytes: Uint8Array) => void): number {
    const senders = this.#senders
    if (!senders.includes(listener)) {
      give(this.#encoded.bytes)
      return senders.length
    }
    let begin = 0
    let given = 0
    for (let i = 0; i <= senders.length; i++) {
      if (i < senders.length && senders[i] !== listener) continue
      if (i > begin) give(this.#encoded.bytes.subarray(this.startOf(begin), this.startOf(i)))
      given += i - begin
      begin = i + 1
    }
    return given
  }
}

export class Broadcast<M> implements Beat {
  readonly #pulse: Pulse
  readonly #groups = new Map<Encoder<M>, Listener<M>[]>()
  #size = 0
  #messages: M[] = []
  #senders: (Listener<M> | undefined)[] = []
  #bytes = 0
  #dirty = false

  constructor(pulse: Pulse) {
    this.#pulse = pulse
  }

  /** How many listeners there are. */
  get size(): number {
    return this.#size
  }

  /** The listener is offered what is published from now on. */
  add(listener: Listener<M>): void {
    this.beat()
    const group = this.#groups.get(listener.encoder)
    if (group === undefined) this.#groups.set(listener.encoder, [listener])
    else group.push(listener)
    this.#size++
  }

  /** Ends it. May be called twice. */
  remove(listener: Listener<M>): void {
    const group = this.#groups.get(listener.encoder)
    const index = group?.indexOf(listener) ?? -1
    if (group === undefined || index < 0) return
    this.#size--
    if (group.length === 1) this.#groups.delete(listener.encoder)
    else group.splice(index, 1)
  }

  /**
   * Runs once per message, whatever the number of listeners.
   * @param bytes about how large the message is, to bound what gathers
   * @param sender the listener that is not to get it
   */
  publish(message: M, bytes: number, sender?: Listener<M>): void {
    if (this.#size === 0) return
    this.#messages.push(message)
    this.#senders.push(sender)
    this.#bytes += bytes
    if (!this.#dirty) {
      this.#dirty = true
      this.#pulse.addChannel(this)
    }
    if (this.#bytes >= joinedBytesMax) this.#pulse.beatNow()
  }

  /** Offers what has gathered. Runs once per pulse: one encoding a group, one `take` a listener. */
  beat(): void {
    this.#dirty = false
    if (this.#messages.length === 0) return
    const messages = this.#messages
    const senders = this.#senders
    this.#messages = []
    this.#senders = []
    this.#bytes = 0
    for (const [encoder, listeners] of this.#groups) {
      const batch = new Batch(messages, senders, encoder.encode(messages))
      // A listener may end itself while taking, so the list is walked from its end.
      for (let i = listeners.length - 1; i >= 0; i--) listeners[i]?.take(batch)
    }
  }
}

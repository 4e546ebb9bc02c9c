// Events that are not stored: one connection gets them while its socket keeps up, and misses them otherwise.

import type { Batch, Listener } from './broadcast.ts'
import type { Encoder, Recipient } from './recipient.ts'

export class EventListener<M> implements Listener<M> {
  readonly encoder: Encoder<M>
  readonly #recipient: Recipient
  readonly #onMissed: (count: number) => void
  readonly #skip: ((message: M) => boolean) | undefined

  /** @param skip what this connection hears in another way */
  constructor(
    recipient: Recipient,
    encoder: Encoder<M>,
    onMissed: (count: number) => void,
    skip?: (message: M) => boolean,
  ) {
    this.#recipient = recipient
    this.encoder = encoder
    this.#onMissed = onMissed
    this.#skip = skip
  }

  take(batch: Batch<M>): void {
    const skip = this.#skip
    if (!this.#recipient.flowing) this.#onMissed(batch.messages.length)
    else if (skip === undefined || !batch.messages.some(skip)) this.#recipient.deliver(batch.bytes)
    else
      for (const [i, message] of batch.messages.entries()) if (!skip(message)) this.#recipient.deliver(batch.copyOf(i))
  }
}

// Events that are not stored: one connection gets them while its socket keeps up, and misses them otherwise.

import type { Batch, Listener } from './broadcast.ts'
import type { Encoder, Recipient } from './recipient.ts'

export class EventListener<M> implements Listener<M> {
  readonly encoder: Encoder<M>
  readonly #recipient: Recipient
  readonly #onMissed: (count: number) => void

  constructor(recipient: Recipient, encoder: Encoder<M>, onMissed: (count: number) => void) {
    this.#recipient = recipient
    this.encoder = encoder
    this.#onMissed = onMissed
  }

  take(batch: Batch<M>): void {
    if (this.#recipient.flowing) this.#recipient.deliver(batch.bytes)
    else this.#onMissed(batch.messages.length)
  }
}

// What a service knows of a session: where bytes go, whether they go, and in which encoding. Services import these
// types alone; `sessions/session.ts` implements them.

/** Messages of one pulse in one encoding, joined. */
export interface Encoded {
  readonly bytes: Uint8Array
  /** Where each message ends in `bytes`, in order. Equal to the one before: this encoding leaves the message out. */
  readonly ends: readonly number[]
}

/** How a service's messages become bytes. One object for a dialect and framing: its identity groups the receivers. */
export interface Encoder<M> {
  encode(messages: readonly M[]): Encoded
}

export interface Recipient {
  /** Unique on the node. */
  readonly id: string
  readonly user: string

  /**
   * Queues bytes behind all earlier ones; they are written with the next pulse. The bytes must not change after.
   * @param onTaken called once the socket has taken them; never, when the connection ends before
   */
  deliver(bytes: Uint8Array, onTaken?: () => void): void

  /** False: the socket has not taken what it was given; what may be dropped waits elsewhere. */
  readonly flowing: boolean

  /** False: the outbox is at its limit; durable subscriptions stop and read on after a drain. */
  readonly hasRoom: boolean

  /** Grows whenever the socket takes something. */
  readonly taken: number

  /** Calls `listener` each time the outbox has drained, until the returned function is called. */
  onDrain(listener: () => void): () => void
}

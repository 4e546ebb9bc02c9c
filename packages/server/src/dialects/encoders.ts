// Encoders made once for a framing: the same object for all sessions of a dialect and transport, so that their
// messages are encoded once together.

import type { Encoder } from '../fanout/recipient.ts'
import type { Framing } from '../sessions/wire.ts'

/** An encoder that writes each message as one text; '' leaves a message out. */
export function textEncoder<M>(textOf: (message: M) => string): (framing: Framing) => Encoder<M> {
  return perFraming((framing) => ({ encode: (messages) => framing.texts(messages.map(textOf)) }))
}

/** Makes one encoder a framing. */
export function perFraming<M>(make: (framing: Framing) => Encoder<M>): (framing: Framing) => Encoder<M> {
  const made = new WeakMap<Framing, Encoder<M>>()
  return (framing) => {
    const known = made.get(framing)
    if (known !== undefined) return known
    const encoder = make(framing)
    made.set(framing, encoder)
    return encoder
  }
}

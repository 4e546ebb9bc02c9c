// Answers on a TCP connection: those of one moment become bytes together, because many small ones cost more than one large one.

import type { Session } from '../../sessions/session.ts'
import type { LineFraming } from '../../sessions/wire.ts'

/** So many characters become bytes at once, so that a connection that does not read is noticed in time. */
const atOnce = 64 * 1024

/** One for all: what is to run at the end of this turn need not make a promise of its own to wait for. */
const settled = Promise.resolve()

export class LineReplies {
  readonly #session: Session
  #text = ''
  #framing: LineFraming | undefined

  constructor(session: Session) {
    this.#session = session
  }

  /** Queues one answer, after all earlier ones. */
  add(text: string, framing: LineFraming): void {
    if (this.#framing !== framing) {
      this.flush()
      this.#framing = framing
      void settled.then(this.flush)
    }
    this.#text += framing.line(text)
    if (this.#text.length >= atOnce) this.flush()
  }

  /** Makes bytes of what is there now: before the connection is closed by this side. */
  readonly flush = (): void => {
    const text = this.#text
    if (text === '') return
    this.#text = ''
    this.#framing = undefined
    if (this.#session.ended === undefined) this.#session.replyBytes(Buffer.from(text))
  }
}

// Answers on a TCP connection: those of one moment become bytes together, because many small ones cost more than one large one.

import type { Session } from '../../sessions/session.ts'
import type { LineFraming } from '../../sessions/wire.ts'

/** So many characters become bytes at once, so that a connection that does not read is noticed in time. */
const atOnce = 64 * 1024

export class LineReplies {
  readonly #session: Session
  #texts: string[] = []
  #length = 0
  #framing: LineFraming | undefined

  constructor(session: Session) {
    this.#session = session
  }

  /** Queues one answer, after all earlier ones. */
  add(text: string, framing: LineFraming): void {
    if (this.#framing !== framing) this.flush()
    if (this.#framing === undefined) {
      this.#framing = framing
      void Promise.resolve().then(() => this.flush())
    }
    this.#texts.push(text)
    this.#length += text.length
    if (this.#length >= atOnce) this.flush()
  }

  /** Makes bytes of what is there now: before the connection is closed by this side. */
  flush(): void {
    const framing = this.#framing
    if (framing === undefined) return
    const texts = this.#texts
    this.#texts = []
    this.#length = 0
    this.#framing = undefined
    if (this.#session.ended === undefined) this.#session.replyBytes(framing.lines(texts))
  }
}

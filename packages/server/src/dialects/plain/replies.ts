// Plain answers carry no id, so they leave in the order of the messages that they answer: an error that is known at
// once waits for the `ok`s before it.

import { toNitkaError } from '@nitka/protocol'
import type { Session } from '../../sessions/session.ts'

export class Replies {
  readonly #session: Session
  readonly #onInternal: (error: unknown) => void
  /** Undefined: not known yet. '': nothing to say. */
  readonly #waiting: { text: string | undefined }[] = []

  constructor(session: Session, onInternal: (error: unknown) => void) {
    this.#session = session
    this.#onInternal = onInternal
  }

  /**
   * Answers one message of `bytes` length with what `work` resolves to ('' is no answer), or with `error: <reason>`.
   * While it is under way it counts against what may be unanswered.
   */
  answer(bytes: number, work: () => Promise<string>): void {
    const slot: { text: string | undefined } = { text: undefined }
    this.#waiting.push(slot)
    this.#session.intake.begin(bytes)
    this.#run(work).then((text) => {
      slot.text = text
      this.#session.intake.end(bytes)
      this.#send()
    })
  }

  async #run(work: () => Promise<string>): Promise<string> {
    try {
      return await work()
    } catch (thrown) {
      const error = toNitkaError(thrown)
      if (error.code === 'internal') this.#onInternal(thrown)
      return `error: ${error.message}`
    }
  }

  #send(): void {
    while (this.#waiting[0]?.text !== undefined) {
      const text = this.#waiting.shift()?.text ?? ''
      if (text !== '' && this.#session.ended === undefined) this.#session.reply(text)
    }
  }
}

// What an engine does in the background every now and then: one round at a time, and none after its end.

import type { Clock, Timer } from '../world.ts'

export class Rounds {
  readonly #round: () => Promise<unknown>
  readonly #timer: Timer
  #running: Promise<void> | undefined
  #closed = false

  /** @param round what fails in it is left to the next one: that the store does not answer, its health tells */
  constructor(clock: Clock, everyMs: number, round: () => Promise<unknown>) {
    this.#round = round
    this.#timer = clock.every(everyMs, () => void this.run())
  }

  /** Whether a long round should end early. */
  get closed(): boolean {
    return this.#closed
  }

  /** A round, or the one that runs already. Never rejects. */
  run(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#running ??= this.#round()
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  /** Resolves when the round that runs is over. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer.cancel()
    await this.#running
  }
}

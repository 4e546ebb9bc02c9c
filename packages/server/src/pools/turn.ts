// Waiting for something to change, for a while.

import type { Clock } from '../world.ts'

export class Turn {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves with the next `come`, or after so many milliseconds. Those who wait go on in the order of their coming. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        timer.cancel()
        this.#waiting.delete(go)
        resolve()
      }
      const timer = this.#clock.after(ms, go)
      this.#waiting.add(go)
    })
  }

  come(): void {
    for (const go of [...this.#waiting]) go()
  }
}

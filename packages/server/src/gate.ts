// Bounds how many of something run at once. Reads and commits share the few threads that do file work, and a storm of
// resuming clients must not keep commits waiting.

import { NitkaError } from '@nitka/protocol'

/** Lets `limit` tasks run at a time; at most `waitingMax` others wait their turn. */
export class Gate {
  readonly #limit: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  #idle: (() => void) | undefined

  constructor(limit: number, waitingMax: number) {
    this.#limit = limit
    this.#waitingMax = waitingMax
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** @throws NitkaError `overloaded` `waitingMax` wait already */
  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#limit) {
      if (this.#waiting.length >= this.#waitingMax) throw new NitkaError('overloaded', 'too many reads are waiting')
      await new Promise<void>((resolve) => this.#waiting.push(resolve)) // The one that leaves hands its place over.
    } else {
      this.#running += 1
    }
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next !== undefined) next()
      else this.#running -= 1
      if (this.#running === 0) this.#idle?.()
    }
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }
}

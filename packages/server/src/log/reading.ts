// How much is read at once when somebody catches up, and how many do so at a time: reads and commits share the same
// few threads, so a storm of returning clients must not starve those who write.

import { limits } from '@nitka/protocol'

/** Entries in one page of a catch-up. */
export const readPageMax = limits.pageMax

/** Lets at most `width` tasks run at a time, the others wait in order. */
export class Gate {
  readonly #width: number
  #running = 0
  #waiting: (() => void)[] = []

  constructor(width: number) {
    this.#width = width
  }

  get waiting(): number {
    return this.#waiting.length
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}

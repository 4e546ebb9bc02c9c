// Chance that a seed decides. Whoever needs some gets a source of their own, so that what one draws moves nobody else's.

import type { Random } from '../../src/world.ts'

/** Numbers that a seed decides (sfc32). */
export class Chance implements Random {
  readonly #seed: string
  readonly #state: Uint32Array

  constructor(seed: string) {
    this.#seed = seed
    let hash = 0x811c9dc5
    const next = (salt: number): number => {
      for (const letter of `${salt}:${seed}`) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193)
      return hash >>> 0
    }
    this.#state = Uint32Array.of(next(1), next(2), next(3), 1)
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** A source of its own, by name. */
  fork(name: string): Chance {
    return new Chance(`${this.#seed}/${name}`)
  }

  fraction(): number {
    return this.#next() / 2 ** 32
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() >>> 11)
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  /** True so often of a hundred times. */
  percent(share: number): boolean {
    return this.fraction() * 100 < share
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.between(0, items.length - 1)] as Item
  }

  #next(): number {
    const state = this.#state as unknown as [number, number, number, number]
    const [a, b, c, d] = state
    const result = (a + b + d) >>> 0
    state[3] = d + 1
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + result
    return result
  }
}

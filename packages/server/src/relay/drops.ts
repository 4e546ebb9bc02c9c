// The latest drops, so that the server can say of a relay message that it was dropped, when and by which rule.

import type { DropRule } from './pool.ts'

/** Messages that a relay client did not get. */
export interface Drop {
  /** Wall time, milliseconds since 1970. */
  readonly time: number
  readonly channel: string
  readonly user: string
  readonly connection: string
  readonly rule: DropRule
  /** How many messages went at once. */
  readonly count: number
}

const dropsMax = 1_024

export class DropRing {
  readonly #drops: Drop[] = []
  #at = 0

  add(drop: Drop): void {
    this.#drops[this.#at] = drop
    this.#at = (this.#at + 1) % dropsMax
  }

  /** Oldest first. */
  list(channel?: string): readonly Drop[] {
    const ordered = [...this.#drops.slice(this.#at), ...this.#drops.slice(0, this.#at)]
    return channel === undefined ? ordered : ordered.filter((drop) => drop.channel === channel)
  }
}

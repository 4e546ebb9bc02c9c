// Makes good what the bus lost: asks the store what changed since it was asked last, and lets go live what did not come. That
// costs what was stored, not what is followed.

import type { Feed } from './feed.ts'
import type { LogName, LogStore } from './log-store.ts'

/** Logs compared with the store in one question. */
const pieceMax = 1_000

/** Changes that are read even by a node that follows less: a page of them costs no more than asking twice. */
const toldMin = 1_000

/**
 * Logs compared at each look although nothing is known to have changed, one after the other. A store that lost entries, because
 * a copy that was behind took its place, tells no change of those that it lost.
 */
const turnMax = 250

/** What this node follows. */
export interface Followed {
  readonly size: number
  of(log: LogName): Feed | undefined
  all(): IterableIterator<Feed>
}

export class Sweep {
  readonly #store: LogStore
  readonly #followed: Followed
  #mark: string | undefined
  /** Whose turn it is to be compared. */
  #turns: IterableIterator<Feed>
  #looking: Promise<void> | undefined
  #comparing: Promise<boolean> | undefined

  constructor(store: LogStore, followed: Followed) {
    this.#store = store
    this.#followed = followed
    this.#turns = followed.all()
  }

  /** Finds what changed since the last look. One at a time; never rejects: what fails is found by the next one. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  /** Compares everything that is followed. One at a time; never rejects. Resolves to whether the store has answered. */
  compare(): Promise<boolean> {
    this.#comparing ??= this.#compare([...this.#followed.all()])
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        this.#comparing = undefined
      })
    return this.#comparing
  }

  async #look(): Promise<void> {
    const { mark, logs } = await this.#store.changes(this.#mark, Math.max(toldMin, this.#followed.size))
    if (logs !== undefined) {
      for (const { log, head } of logs) this.#followed.of(log)?.hint(head)
      await this.#compare(this.#nextTurns())
    } else {
      // One that began before does not find what was stored between its question and this mark.
      await this.#comparing
      if (!(await this.compare())) return
    }
    this.#mark = mark
  }

  /** @throws NitkaError of the store */
  async #compare(feeds: readonly Feed[]): Promise<void> {
    for (let i = 0; i < feeds.length; i += pieceMax) {
      const some = feeds.slice(i, i + pieceMax)
      const live = some.map(({ head }) => head)
      const states = await this.#store.states(some.map(({ log }) => log))
      for (const [index, state] of states.entries()) {
        const feed = some[index]
        feed?.compare(live[index], state)
        feed?.hint(state.head)
      }
    }
  }

  #nextTurns(): readonly Feed[] {
    const feeds: Feed[] = []
    while (feeds.length < turnMax) {
      const { value, done } = this.#turns.next()
      if (done) {
        this.#turns = this.#followed.all()
        break
      }
      feeds.push(value)
    }
    return feeds
  }
}

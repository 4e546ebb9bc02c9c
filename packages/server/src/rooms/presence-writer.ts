// Writes to the store who is here, behind what happens: a join does not wait for it. One statement at a time; of several
// changes of one user the last is written. What fails is kept, and written by the next change or sweep.

import type { PresenceChange, PresenceStore } from './presence-store.ts'

/** Changes in one statement. */
const changesMax = 5_000

/** Changes that wait; beyond it everything is written anew once the store answers. */
const waitingMax = 100_000

export class PresenceWriter {
  readonly #store: PresenceStore
  readonly #node: string
  #version = 0
  #waiting = new Map<string, PresenceChange>()
  #overflown = false
  #flushing: Promise<void> | undefined
  #closed = false

  constructor(store: PresenceStore, node: string) {
    this.#store = store
    this.#node = node
  }

  write(room: string, user: string, online: boolean): PresenceChange {
    const change = { room, user, online, version: ++this.#version }
    this.#waiting.set(`${room} ${user}`, change)
    if (this.#waiting.size > waitingMax) {
      this.#waiting.clear()
      this.#overflown = true
    }
    void this.flush()
    return change
  }

  /** Writes what waits. Resolves when it is written, or the store does not answer. */
  flush(): Promise<void> {
    this.#flushing ??= this.#drain()
      .catch(() => undefined)
      .finally(() => {
        this.#flushing = undefined
      })
    return this.#flushing
  }

  /**
   * The store has not, or not any more, what this node said: it is a new node, or was taken for dead, or the database lost
   * it. Says it all again. @throws NitkaError `unavailable`
   */
  async renew(present: Iterable<{ readonly room: string; readonly user: string }>): Promise<void> {
    await this.flush()
    await this.#store.forget(this.#node)
    this.#overflown = false
    for (const { room, user } of present) {
      this.#waiting.set(`${room} ${user}`, { room, user, online: true, version: ++this.#version })
    }
    await this.#flushing
    await this.#drain()
    if (!this.#overflown) await this.#store.complete(this.#node)
  }

  /** Takes everything back. Resolves when the store knows, or does not answer. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#flushing
    await this.#store.forget(this.#node).catch(() => undefined)
  }

  async #drain(): Promise<void> {
    // What happens in one turn goes together.
    await Promise.resolve()
    if (this.#overflown) await this.#store.forget(this.#node)
    while (this.#waiting.size > 0 && !this.#closed) {
      const some = [...this.#waiting].slice(0, changesMax)
      for (const [key] of some) this.#waiting.delete(key)
      try {
        await this.#store.save(
          this.#node,
          some.map(([, change]) => change),
        )
      } catch (error) {
        for (const [key, change] of some) if (!this.#waiting.has(key)) this.#waiting.set(key, change)
        throw error
      }
    }
  }
}

// The dam: closed while more waits to be stored than is good. Whoever sends something to be stored meanwhile is read from no
// more until it opens; nobody else notices.

/** What can be held back. */
export interface Held {
  /** The dam is open again. */
  opened(): void
}

export class Dam {
  /** Times that it was closed. */
  closures = 0
  #closed = false
  readonly #held = new Set<Held>()

  get closed(): boolean {
    return this.#closed
  }

  /** Tells `one` when it opens. */
  hold(one: Held): void {
    this.#held.add(one)
  }

  /** `one` is gone. */
  forget(one: Held): void {
    this.#held.delete(one)
  }

  set(closed: boolean): void {
    if (this.#closed === closed) return
    this.#closed = closed
    if (closed) {
      this.closures++
      return
    }
    for (const one of [...this.#held]) {
      // What those who were let go had at hand may be too much again.
      if (this.#closed) return
      if (this.#held.delete(one)) one.opened()
    }
  }
}

// Rooms and memberships in memory: every message to a room asks who is a member. This engine is the only writer of its
// store, so what was read stays true until it changes here.

/** Rooms and memberships kept, each; the oldest leave first. */
const entriesMax = 100_000

export class RoomCache<Found> {
  readonly #rooms = new Map<string, Found | undefined>()
  readonly #members = new Map<string, boolean>()
  /** Grows with every change: an answer that was read before it is not kept after it. */
  #version = 0

  /** The room, from memory or by `read`. */
  room(id: string, read: () => Promise<Found | undefined>): Promise<Found | undefined> {
    return this.#through(this.#rooms, id, read)
  }

  member(id: string, user: string, read: () => Promise<boolean>): Promise<boolean> {
    return this.#through(this.#members, `${id} ${user}`, read)
  }

  /** The room or the membership is about to change, or has changed. */
  changed(id: string, user: string): void {
    this.#version++
    this.#rooms.delete(id)
    this.#members.delete(`${id} ${user}`)
  }

  async #through<Value>(kept: Map<string, Value>, key: string, read: () => Promise<Value>): Promise<Value> {
    const known = kept.get(key)
    if (known !== undefined) return known
    const version = this.#version
    const value = await read()
    if (version !== this.#version) return value
    kept.set(key, value)
    if (kept.size > entriesMax) {
      const oldest = kept.keys().next()
      if (!oldest.done) kept.delete(oldest.value)
    }
    return value
  }
}

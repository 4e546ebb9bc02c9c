// Presence: who is in a room now, that is, has at least one connection joined. In memory; connections carry it.

export class Presence {
  readonly #rooms = new Map<string, Map<string, number>>()

  /** Rooms with somebody in them. */
  get rooms(): number {
    return this.#rooms.size
  }

  /** One more connection of the user. True: the user was not there before. */
  enter(room: string, user: string): boolean {
    const users = this.#rooms.get(room) ?? new Map<string, number>()
    this.#rooms.set(room, users)
    const count = users.get(user) ?? 0
    users.set(user, count + 1)
    return count === 0
  }

  /** One connection less. True: the user is there no more. */
  exit(room: string, user: string): boolean {
    const users = this.#rooms.get(room)
    const count = users?.get(user) ?? 0
    if (users === undefined || count === 0) return false
    if (count > 1) {
      users.set(user, count - 1)
      return false
    }
    users.delete(user)
    if (users.size === 0) this.#rooms.delete(room)
    return true
  }

  /** The users in the room, in the order of their coming. */
  list(room: string): readonly string[] {
    return [...(this.#rooms.get(room)?.keys() ?? [])]
  }
}

// Presence: who is in a room now, that is, has at least one connection joined, on whichever node. In memory; connections
// carry it. A user whose connection broke stays for a moment, in which a client comes back by itself.

import type { Clock, Timer } from '../world.ts'
import type { OtherPresence } from './other-presence.ts'

/** So many exits wait at one time; beyond it the oldest happen at once. */
const exitsMax = 100_000

interface Exit {
  readonly room: string
  readonly user: string
  /** Monotonic. */
  readonly at: number
  /** True: it has happened, or somebody came back. */
  over: boolean
}

/** Who is in which room now. */
export class Presence {
  readonly #clock: Clock
  readonly #graceMs: number
  readonly #others: OtherPresence | undefined
  readonly #told: (room: string, user: string, online: boolean) => void
  /** Connections on this node, by room and user. */
  readonly #rooms = new Map<string, Map<string, number>>()
  /** Connections that broke and still count, in the order in which they will not. */
  readonly #exits: Exit[] = []
  /** The same by room and user, without those that are over. */
  readonly #broken = new Map<string, Exit[]>()
  #timer: Timer | undefined

  /**
   * @internal
   * @param others undefined: there are no other nodes
   * @param told a user came into a room, or left it, as seen over all nodes
   */
  constructor(
    tools: { clock: Clock; graceMs: number; others: OtherPresence | undefined },
    told: (room: string, user: string, online: boolean) => void,
  ) {
    this.#clock = tools.clock
    this.#graceMs = tools.graceMs
    this.#others = tools.others
    this.#told = told
    this.#others?.begin({
      present: () => this.#present(),
      told: (room, user, online) => {
        if (!this.#here(room, user)) told(room, user, online)
      },
    })
  }

  /** Rooms with somebody of this node in them. */
  get rooms(): number {
    return this.#rooms.size
  }

  /** @internal One more connection of the user, or one instead of one that broke. */
  enter(room: string, user: string): void {
    if (this.#takeBroken(room, user) !== undefined) return
    const users = this.#rooms.get(room) ?? new Map<string, number>()
    this.#rooms.set(room, users)
    const count = users.get(user) ?? 0
    users.set(user, count + 1)
    if (count > 0) return
    this.#others?.announce(room, user, true)
    if (this.#others?.has(room, user) !== true) this.#told(room, user, true)
  }

  /** @internal One connection less. `lost`: it broke, so it counts until the grace is over. */
  exit(room: string, user: string, lost: boolean): void {
    if (!lost || this.#graceMs === 0) return this.#exit(room, user)
    const exit = { room, user, at: this.#clock.monotonic() + this.#graceMs, over: false }
    this.#exits.push(exit)
    const broken = this.#broken.get(keyOf(room, user))
    if (broken === undefined) this.#broken.set(keyOf(room, user), [exit])
    else broken.push(exit)
    if (this.#exits.length > exitsMax) this.#finish(exitsMax / 10)
    this.#timer ??= this.#clock.after(this.#graceMs, this.#due)
  }

  /**
   * The users in the room, in the order of their coming as this node knows it. On a node without a connection in the room
   * those of other nodes are missing: `find` has them.
   */
  list(room: string): readonly string[] {
    const here = this.#rooms.get(room)?.keys() ?? []
    return this.#others === undefined ? [...here] : [...new Set([...this.#others.users(room), ...here])]
  }

  /** The users in the room, whichever nodes they are on. @throws NitkaError `unavailable` */
  async find(room: string): Promise<readonly string[]> {
    const others = (await this.#others?.find(room)) ?? []
    return [...new Set([...others, ...(this.#rooms.get(room)?.keys() ?? [])])]
  }

  /** @internal No grace: the user may not be here any more. */
  dismiss(room: string, user: string): void {
    while (this.#takeBroken(room, user) !== undefined) this.#exit(room, user)
  }

  /** @internal */
  close(): void {
    this.#timer?.cancel()
  }

  readonly #due = (): void => {
    this.#timer = undefined
    const now = this.#clock.monotonic()
    const first = this.#exits.findIndex(({ at }) => at > now)
    this.#finish(first < 0 ? this.#exits.length : first)
    const [next] = this.#exits
    if (next !== undefined) this.#timer = this.#clock.after(next.at - now, this.#due)
  }

  /** The oldest exits happen. */
  #finish(count: number): void {
    for (const { room, user, over } of this.#exits.splice(0, count)) {
      if (over) continue
      this.#takeBroken(room, user)
      this.#exit(room, user)
    }
  }

  /** The oldest exit of the user that waits, which is over with that. */
  #takeBroken(room: string, user: string): Exit | undefined {
    const key = keyOf(room, user)
    const broken = this.#broken.get(key)
    const exit = broken?.shift()
    if (exit !== undefined) exit.over = true
    if (broken?.length === 0) this.#broken.delete(key)
    return exit
  }

  #exit(room: string, user: string): void {
    const users = this.#rooms.get(room)
    const count = users?.get(user) ?? 0
    if (users === undefined || count === 0) return
    if (count > 1) {
      users.set(user, count - 1)
      return
    }
    users.delete(user)
    if (users.size === 0) this.#rooms.delete(room)
    this.#others?.announce(room, user, false)
    if (this.#others?.has(room, user) !== true) this.#told(room, user, false)
  }

  #here(room: string, user: string): boolean {
    return this.#rooms.get(room)?.has(user) === true
  }

  *#present(): Iterable<{ readonly room: string; readonly user: string }> {
    for (const [room, users] of this.#rooms) for (const user of users.keys()) yield { room, user }
  }
}

function keyOf(room: string, user: string): string {
  return `${room} ${user}`
}

// Members that another node removed. The bus tells it at once; what the bus loses the directory tells at the next sweep.
// Remembers what was told, so that nobody hears it twice.

import type { Clock } from '../world.ts'
import type { Membered, RoomDirectory } from './room-directory.ts'

/** How far back removals are asked for again: one may become visible later than others that were done after it. */
const overlapMs = 30_000

/** What was told is remembered so long: longer than it may be asked for again. */
const toldMs = 120_000

/** Removals remembered; the oldest are forgotten first. */
const toldMax = 20_000

/** Whom the word goes to: those in the room, or the user. */
type Ears = 'room' | 'user'

export class Removals {
  readonly #directory: RoomDirectory
  readonly #clock: Clock
  readonly #removed: (removal: Membered, untold: ReadonlySet<Ears>) => void
  /** By ears, room and user: when it was told, monotonic; oldest first. */
  readonly #told = new Map<string, number>()
  #askedAt: number

  /** @param removed a member was removed somewhere; `untold`: who has not heard of it on this node */
  constructor(directory: RoomDirectory, clock: Clock, removed: (removal: Membered, untold: ReadonlySet<Ears>) => void) {
    this.#directory = directory
    this.#clock = clock
    this.#removed = removed
    this.#askedAt = clock.monotonic()
  }

  /** It was told on this node, or is about to be. */
  note(ears: Ears, removal: Membered): void {
    const key = keyOf(ears, removal)
    this.#told.delete(key)
    this.#told.set(key, this.#clock.monotonic())
    const [oldest] = this.#told.keys()
    if (this.#told.size > toldMax && oldest !== undefined) this.#told.delete(oldest)
  }

  /** Asks the directory what was removed since the last time. @throws NitkaError `unavailable` */
  async sweep(): Promise<void> {
    const { removals } = this.#directory
    if (removals === undefined) return
    const now = this.#clock.monotonic()
    const found = await removals.call(this.#directory, now - this.#askedAt + overlapMs)
    this.#askedAt = now
    for (const [key, at] of this.#told) {
      if (now - at < toldMs) break
      this.#told.delete(key)
    }
    for (const removal of found) {
      const untold = new Set((['room', 'user'] as const).filter((ears) => !this.#told.has(keyOf(ears, removal))))
      for (const ears of untold) this.note(ears, removal)
      this.#removed(removal, untold)
    }
  }
}

function keyOf(ears: Ears, { room, user }: Membered): string {
  return `${ears} ${room} ${user}`
}

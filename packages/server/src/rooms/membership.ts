// Who may do something in a room. Callers that ask while the same question is under way share its answer, so that what one
// connection sends one after the other goes on in that order. Where a question costs a round trip, a yes holds for a
// moment: a member that another node removed may go on so long, one that this node removed may not.

import { NitkaError, plainName } from '@nitka/protocol'
import type { Clock } from '../world.ts'
import type { Room, RoomDirectory } from './room-directory.ts'

/** Answers kept. */
const answersMax = 10_000

interface Answer {
  readonly room: Promise<Room>
  /** Monotonic. */
  readonly until: number
  open: boolean
}

export class Membership {
  readonly #directory: RoomDirectory
  readonly #clock: Clock
  readonly #keptMs: number
  readonly #answers = new Map<string, Answer>()

  /** @param keptMs how long a yes holds, from when it was asked for */
  constructor(directory: RoomDirectory, clock: Clock, keptMs: number) {
    this.#directory = directory
    this.#clock = clock
    this.#keptMs = keptMs
  }

  /** The room, for a member. @throws NitkaError `not-found`, `forbidden` no member */
  demand(user: string, id: string): Promise<Room> {
    const key = `${id} ${user}`
    const known = this.#answers.get(key)
    if (known !== undefined && (known.open || this.#clock.monotonic() < known.until)) return known.room
    const settled = (good: boolean): void => {
      answer.open = false
      if ((good && this.#keptMs > 0) || this.#answers.get(key) !== answer) return
      this.#answers.delete(key)
    }
    const room = this.#ask(user, id).then(
      (found) => {
        settled(true)
        return found
      },
      (error: unknown) => {
        settled(false)
        throw error
      },
    )
    const answer: Answer = { room, until: this.#clock.monotonic() + this.#keptMs, open: true }
    this.#answers.delete(key)
    this.#answers.set(key, answer)
    if (this.#answers.size > answersMax) this.#forgetOldest()
    return room
  }

  /** What was answered of the user does not hold any more. */
  forget(id: string, user: string): void {
    this.#answers.delete(`${id} ${user}`)
  }

  /** Forgets what does not hold any more by its time. */
  sweep(): void {
    const now = this.#clock.monotonic()
    for (const [key, { open, until }] of this.#answers) if (!open && until <= now) this.#answers.delete(key)
  }

  async #ask(user: string, id: string): Promise<Room> {
    const found = await this.#directory.membership(plainName(id, 'room'), user)
    if (found === undefined) throw new NitkaError('not-found', `there is no room ${id}`)
    if (!found.member) throw new NitkaError('forbidden', `you are no member of ${id}`)
    return found.room
  }

  #forgetOldest(): void {
    for (const [key, { open }] of this.#answers) {
      if (open) continue
      this.#answers.delete(key)
      return
    }
  }
}

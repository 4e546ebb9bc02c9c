// How far a user has read a room, and how much lies behind that: one marker for all devices of a user.

import { limits, NitkaError } from '@nitka/protocol'
import type { LogStore } from '../log/log-store.ts'
import type { Clock } from '../world.ts'
import { logOf } from './messages.ts'

export interface ReadMarker {
  /** The offset up to which everything is read. */
  readonly read: number
  /** Messages of others after it. */
  readonly unread: number
}

export class ReadMarkers {
  readonly #store: LogStore
  readonly #clock: Clock

  constructor(store: LogStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Moves it forward; it never moves back. Durable when resolved. @throws NitkaError `invalid` beyond the newest message */
  async move(user: string, room: string, offset: number): Promise<ReadMarker> {
    const log = logOf(room)
    const [state] = await this.#store.states([log])
    if (offset > (state?.head ?? 0)) {
      throw new NitkaError('invalid', `offset is beyond the newest message (${state?.head ?? 0})`, { field: 'offset' })
    }
    await this.#store.move([{ log, name: cursorOf(user), offset, time: this.#clock.now() }])
    return this.find(user, room)
  }

  async find(user: string, room: string): Promise<ReadMarker> {
    const log = logOf(room)
    const name = cursorOf(user)
    const [cursor] = (await this.#store.cursors(log, name)).filter((one) => one.name === name)
    const read = cursor?.offset ?? 0
    const { entries, state } = await this.#store.read(log, { before: read + 1, limit: 1 })
    const behind = state.counted - (entries.at(-1)?.counted ?? 0)
    if (behind === 0) return { read, unread: 0 }
    // One's own messages are not unread. They are left out as far as a page goes; beyond it the number is large anyway.
    const page = await this.#store.read(log, { after: read, limit: limits.pageMax })
    return { read, unread: behind - page.entries.filter(({ sender }) => sender === user).length }
  }
}

function cursorOf(user: string): string {
  return `read:${user}`
}

// Rooms: chats with members, history and presence. Owns who may read and write where; order, durability and
// repetition are the log's, who is a member is the directory's. Every way to a room passes `#demandMember`.

import {
  clientMessageId,
  displayName,
  type IdSource,
  limits,
  NitkaError,
  type Position,
  plainName,
  userName,
} from '@nitka/protocol'
import { Audience } from '../fanout/audience.ts'
import { EventListener } from '../fanout/event-listener.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { DraftAppend, Log } from '../log/log.ts'
import type { Appended, LogPage } from '../log/log-store.ts'
import { payloadText } from '../log/payload.ts'
import type { Clock } from '../world.ts'
import type { RoomEvent } from './events.ts'
import type { Guest, RoomJoined } from './guest.ts'
import { logOf } from './messages.ts'
import { Presence } from './presence.ts'
import type { Member, Room, RoomDirectory } from './room-directory.ts'

export interface RoomsOptions {
  /** 0: no limit, for each. */
  readonly payloadBytesMax: number
  readonly roomsPerUserMax: number
  readonly membersPerRoomMax: number
}

export class Rooms {
  sent = 0
  /** Events that a connection missed because its socket was behind. */
  eventsMissed = 0
  readonly presence = new Presence()
  readonly #log: Log
  readonly #directory: RoomDirectory
  readonly #clock: Clock
  readonly #ids: IdSource
  readonly #options: RoomsOptions
  readonly #inRoom: Audience<RoomEvent>
  readonly #ofUser: Audience<RoomEvent>
  readonly #checks = new Map<string, Promise<Room>>()
  readonly #places = new Map<string, Set<{ readonly user: string; readonly end: () => void }>>()

  constructor(
    parts: { log: Log; directory: RoomDirectory; clock: Clock; ids: IdSource; pulse: Pulse },
    options: RoomsOptions,
  ) {
    this.#log = parts.log
    this.#directory = parts.directory
    this.#clock = parts.clock
    this.#ids = parts.ids
    this.#options = options
    this.#inRoom = new Audience(parts.pulse)
    this.#ofUser = new Audience(parts.pulse)
  }

  /** Creates a room; the creator is its first member. Resolves when durable. `id` absent: the server chooses. */
  async create(creator: string, wish: { name: unknown; open?: boolean; id?: unknown }): Promise<Room> {
    const room: Room = {
      id: wish.id === undefined ? this.#ids.next() : plainName(wish.id, 'id'),
      name: displayName(wish.name, 'name'),
      open: wish.open ?? false,
      creator,
      time: this.#clock.now(),
    }
    await this.#directory.create(room, this.#options)
    return room
  }

  async get(user: string, id: string): Promise<Room> {
    return this.#demandMember(user, id)
  }

  list(user: string, after: string | undefined, limit: number = limits.pageDefault): Promise<readonly Room[]> {
    return this.#directory.list(user, after, limit)
  }

  async members(user: string, id: string, after?: string, limit: number = limits.pageMax): Promise<readonly Member[]> {
    await this.#demandMember(user, id)
    return this.#directory.members(id, after, limit)
  }

  async present(user: string, id: string): Promise<readonly string[]> {
    await this.#demandMember(user, id)
    return this.presence.list(id)
  }

  /**
   * Makes somebody a member: any member may, and in an open room whoever comes may add themselves. Durable when resolved.
   * Returns whether that changed anything.
   */
  async addMember(user: string, id: string, member: string): Promise<boolean> {
    userName(member, 'user')
    const room = await this.#room(id)
    if (!(room.open && member === user)) await this.#demandMember(user, id)
    return this.#directory.add(id, { user: member, time: this.#clock.now() }, this.#options)
  }

  /** Ends a membership: one's own, or, for the room's creator, anybody's. Their connections leave at once. */
  async removeMember(user: string, id: string, member: string): Promise<boolean> {
    const room = await this.#demandMember(user, id)
    if (member !== user && room.creator !== user) {
      throw new NitkaError('forbidden', `only ${room.creator} may remove other members`)
    }
    const removed = await this.#directory.remove(id, member)
    if (removed) {
      for (const place of [...(this.#places.get(id) ?? [])]) if (place.user === member) place.end()
      const event: RoomEvent = { kind: 'removed', room: id, user: member }
      this.#inRoom.publish(id, event, 128)
      this.#ofUser.publish(member, event, 128)
    }
    return removed
  }

  /** Stores a message and lets it go live. Resolves when durable. Errors as of `LogStore.append`. */
  async send(user: string, id: string, message: unknown, clientId?: string): Promise<Appended> {
    const append = await this.append(user, id, message, clientId)
    const [result] = await this.#log.append([append])
    if (result === undefined) throw new NitkaError('internal', 'the store answered nothing')
    if (!result.repeated) this.sent++
    return result
  }

  /** What `send` would append, for a batch. */
  async append(user: string, id: string, message: unknown, clientId?: string): Promise<DraftAppend> {
    const body = payloadText(message, 'message', this.#options.payloadBytesMax)
    const checkedId = clientId === undefined ? {} : { clientId: clientMessageId(clientId, 'clientId') }
    await this.#demandMember(user, id)
    return { entries: [{ log: logOf(id), sender: user, body, counts: true }], ...checkedId }
  }

  /** One page, oldest first; without bounds the newest. */
  async history(
    user: string,
    id: string,
    query: { before?: number; after?: number; limit?: number },
  ): Promise<LogPage> {
    if (query.before !== undefined && query.after !== undefined) {
      throw new NitkaError('invalid', 'before and after exclude each other', { field: 'before' })
    }
    await this.#demandMember(user, id)
    const limit = query.limit ?? limits.pageDefault
    const range =
      query.after === undefined ? { before: query.before ?? Number.MAX_SAFE_INTEGER } : { after: query.after }
    return this.#log.store.read(logOf(id), { ...range, limit })
  }

  /** Tells the room something that is not stored (typing, say). Members that are behind miss it. */
  async signal(user: string, id: string, signal: unknown): Promise<void> {
    const text = payloadText(signal, 'signal', this.#options.payloadBytesMax)
    await this.#demandMember(user, id)
    this.#inRoom.publish(id, { kind: 'signal', room: id, from: user, signal }, text.length + 128)
  }

  /** Tells those who are in the room how far a task is. Not stored; members that are behind miss it. */
  tellProgress(id: string, told: { readonly task: string; readonly progress: unknown }): void {
    this.#inRoom.publish(id, { kind: 'progress', room: id, ...told }, 512)
  }

  /** The user has read everything up to `offset`; the user's other connections hear of it. Never moves back. */
  async read(user: string, id: string, offset: number): Promise<{ read: number; unread: number }> {
    await this.#demandMember(user, id)
    const log = logOf(id)
    const [state] = await this.#log.store.states([log])
    if (offset > (state?.head ?? 0)) {
      throw new NitkaError('invalid', `offset is beyond the newest message (${state?.head ?? 0})`, { field: 'offset' })
    }
    await this.#log.store.move([{ log, name: readCursor(user), offset, time: this.#clock.now() }])
    const { read, unread } = await this.#unread(user, id)
    this.#ofUser.publish(user, { kind: 'read', room: id, user, offset: read, unread }, 128)
    this.#inRoom.publish(id, { kind: 'read', room: id, user, offset: read }, 128)
    return { read, unread }
  }

  /** Lets a connection hear of the user's own markers and memberships, in whichever room. Returns how to stop. */
  watch(user: string, recipient: Recipient, encoder: Encoder<RoomEvent>): () => void {
    return this.#ofUser.add(user, this.#listener(recipient, encoder))
  }

  /** @throws NitkaError `not-found`, `forbidden`; an open room admits whoever comes */
  async admit(user: string, id: string): Promise<Room> {
    const room = await this.#room(id)
    if (await this.#directory.isMember(id, user)) return room
    if (!room.open) throw new NitkaError('forbidden', `you are no member of ${id}`)
    await this.#directory.add(id, { user, time: this.#clock.now() }, this.#options)
    return room
  }

  /** Joins with one connection: what was missed since a position, and then what comes. See `Log.join`. */
  async join(id: string, since: Position | undefined, guest: Guest): Promise<RoomJoined> {
    const room = await this.admit(guest.user, id)
    const { recipient, entries: encoder, failed, missing } = guest
    const events = missing === undefined ? { failed } : { failed, missing }
    const joined = await this.#log.join(logOf(id), since, { recipient, encoder, events })
    // A removal finds the place from here on, however late the question below is answered.
    const place = this.#take(id, guest, () => joined.subscription.close())
    try {
      const member = await this.#directory.isMember(id, guest.user)
      const marker = await this.#unread(guest.user, id)
      if (!member || place.closed) throw new NitkaError('forbidden', `you are no member of ${id}`)
      place.enter()
      return { ...joined, ...marker, room, presence: this.presence.list(id), close: place.close }
    } catch (error) {
      place.close()
      throw error
    }
  }

  async #unread(user: string, id: string): Promise<{ read: number; unread: number }> {
    const { store } = this.#log
    const name = readCursor(user)
    const [cursor] = (await store.cursors(logOf(id), name)).filter((one) => one.name === name)
    const read = cursor?.offset ?? 0
    const { entries, state } = await store.read(logOf(id), { before: read + 1, limit: 1 })
    const behind = state.counted - (entries.at(-1)?.counted ?? 0)
    if (behind === 0) return { read, unread: 0 }
    // One's own messages are not unread. They are left out as far as a page goes; beyond it the number is large anyway.
    const page = await store.read(logOf(id), { after: read, limit: limits.pageMax })
    return { read, unread: behind - page.entries.filter(({ sender }) => sender === user).length }
  }

  /** A connection's place in the room: it can be ended from now on, and is seen there once it has entered. */
  #take(id: string, { user, recipient, events, removed }: Guest, end: () => void) {
    const places = this.#places.get(id) ?? new Set()
    this.#places.set(id, places)
    const tell = (online: boolean): void => this.#inRoom.publish(id, { kind: 'presence', room: id, user, online }, 128)
    let leave: (() => void) | undefined
    const place = {
      user,
      closed: false,
      enter: (): void => {
        if (this.presence.enter(id, user)) tell(true)
        const deaf =
          events === undefined ? undefined : this.#inRoom.add(id, this.#listener(recipient, events, ownMarker(user)))
        leave = () => {
          deaf?.()
          if (this.presence.exit(id, user)) tell(false)
        }
      },
      close: (): void => {
        if (place.closed) return
        place.closed = true
        end()
        places.delete(place)
        if (places.size === 0) this.#places.delete(id)
        leave?.()
      },
      end: (): void => {
        place.close()
        removed()
      },
    }
    places.add(place)
    return place
  }

  #listener(
    recipient: Recipient,
    encoder: Encoder<RoomEvent>,
    skip?: (event: RoomEvent) => boolean,
  ): EventListener<RoomEvent> {
    const missed = (count: number): void => {
      this.eventsMissed += count
    }
    return new EventListener(recipient, encoder, missed, skip)
  }

  async #room(id: string): Promise<Room> {
    const room = await this.#directory.get(plainName(id, 'room'))
    if (room === undefined) throw new NitkaError('not-found', `there is no room ${id}`)
    return room
  }

  /**
   * The room, for a member. Callers that ask while the same question is under way share its answer, so that what one
   * connection sends one after the other goes on in that order.
   */
  #demandMember(user: string, id: string): Promise<Room> {
    const key = `${id} ${user}`
    let check = this.#checks.get(key)
    if (check === undefined) {
      check = this.#checkMember(user, id).finally(() => this.#checks.delete(key))
      this.#checks.set(key, check)
    }
    return check
  }

  async #checkMember(user: string, id: string): Promise<Room> {
    const room = await this.#room(id)
    if (!(await this.#directory.isMember(id, user))) throw new NitkaError('forbidden', `you are no member of ${id}`)
    return room
  }
}

function readCursor(user: string): string {
  return `read:${user}`
}

/** One's own marker comes to all of one's connections, with the unread count, whether they joined the room or not. */
function ownMarker(user: string): (event: RoomEvent) => boolean {
  return (event) => event.kind === 'read' && event.user === user
}

// Rooms: chats with members, history and presence. Owns who may read and write where; order, durability and
// repetition are the log's, who is a member is the directory's. Every way to a room passes `Membership.demand`.

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
import { Exchange } from '../fanout/exchange.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { DraftAppend, Log } from '../log/log.ts'
import type { Appended, LogPage } from '../log/log-store.ts'
import { payloadText } from '../log/payload.ts'
import { Rates } from '../rates.ts'
import type { Clock, Timer } from '../world.ts'
import { type RoomEvent, readRoomEvent } from './events.ts'
import type { Guest, RoomJoined } from './guest.ts'
import { Membership } from './membership.ts'
import { logOf } from './messages.ts'
import { OtherPresence } from './other-presence.ts'
import { Places } from './places.ts'
import { Presence } from './presence.ts'
import { ReadMarkers } from './read-markers.ts'
import { Removals } from './removals.ts'
import type { Member, Room, RoomDirectory } from './room-directory.ts'
import type { RoomsOptions, RoomsParts } from './terms.ts'

/** How long a member that was let pass is not asked for again, where other nodes may end memberships. */
const memberMs = 1_000

/** Rooms: chats with members, history and presence. */
export class Rooms {
  sent = 0
  readonly presence: Presence
  /** What goes to rooms on other nodes, and comes from there. */
  readonly exchange: Exchange
  readonly #log: Log
  readonly #directory: RoomDirectory
  readonly #clock: Clock
  readonly #ids: IdSource
  readonly #options: RoomsOptions
  readonly #inRoom: Audience<RoomEvent>
  readonly #ofUser: Audience<RoomEvent>
  readonly #others: OtherPresence | undefined
  readonly #places: Places
  readonly #membership: Membership
  readonly #markers: ReadMarkers
  readonly #created: Rates
  readonly #removals: Removals
  readonly #sweeps: Timer | undefined

  /** @internal */
  constructor(parts: RoomsParts, options: RoomsOptions) {
    const { log, directory, clock, pulse, presence: store, ownership } = parts
    this.#log = log
    this.#markers = new ReadMarkers(log.store, clock)
    this.#directory = directory
    this.#clock = clock
    this.#ids = parts.ids
    const hourly = options.roomsPerHourMax
    this.#created = new Rates(clock, { perSecond: hourly / 3_600, burst: hourly })
    this.#options = options
    const exchange = new Exchange(parts.bus, pulse)
    this.exchange = exchange
    const tools = { pulse, exchange }
    const heard = this.#heard
    this.#inRoom = new Audience(tools, { subject: 'room', read: readRoomEvent, heard: heard('room') })
    this.#ofUser = new Audience(tools, { subject: 'user', read: readRoomEvent, heard: heard('user') })
    this.#others = store && ownership && new OtherPresence({ store, ownership, exchange, clock })
    const grace = { clock, graceMs: options.presenceGraceMs, others: this.#others }
    this.presence = new Presence(grace, (room, user, online) => {
      // Each node sees for itself who comes and goes over all nodes.
      this.#inRoom.publishHere(room, { kind: 'presence', room, user, online }, 128)
    })
    this.#places = new Places(this.#inRoom, this.presence, this.#others)
    this.#membership = new Membership(directory, clock, options.sweepMs === 0 ? 0 : memberMs)
    this.#removals = new Removals(directory, clock, ({ room, user }, untold) => {
      const event: RoomEvent = { kind: 'removed', room, user }
      this.#membership.forget(room, user)
      this.#places.end(room, user)
      if (untold.has('room')) this.#inRoom.publishHere(room, event, 128)
      if (untold.has('user')) this.#ofUser.publishHere(user, event, 128)
    })
    if (options.sweepMs === 0) return
    this.#sweeps = clock.every(options.sweepMs, () => void this.sweep())
    void this.sweep()
  }

  /** Events that a connection missed because its socket was behind. */
  get eventsMissed(): number {
    return this.#places.missed
  }

  /** @internal Asks the store what the bus may have lost: who was removed, who is there. Never rejects. */
  async sweep(): Promise<void> {
    this.#membership.sweep()
    // What fails is asked for again by the next sweep, from where the last one that was answered stood.
    await Promise.all([this.#removals.sweep().catch(() => undefined), this.#others?.sweep()])
  }

  /** @internal This node's users leave. Resolves when the store knows, or does not answer. */
  async close(): Promise<void> {
    this.#sweeps?.cancel()
    this.presence.close()
    await this.#others?.close()
  }

  /**
   * Creates a room; the creator is its first member. Resolves when durable. `id` absent: the server chooses.
   * @throws NitkaError `conflict` the id is taken, `invalid`, `overloaded` the creator is in too many rooms
   */
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

  /** @internal As `create`, for a client. @throws NitkaError also `overloaded` too many in the last hour */
  async createAsked(creator: string, wish: { name: unknown; open?: boolean; id?: unknown }): Promise<Room> {
    if (!this.#created.tryTake(creator)) {
      const most = this.#options.roomsPerHourMax
      throw new NitkaError('overloaded', `a user may create at most ${most} rooms an hour; come back later`)
    }
    try {
      return await this.create(creator, wish)
    } catch (error) {
      // Clients create what may be there already, and go on when it is.
      this.#created.giveBack(creator)
      throw error
    }
  }

  /** A room, for a member. @throws NitkaError `not-found`, `forbidden` no member */
  async get(user: string, id: string): Promise<Room> {
    return this.#demandMember(user, id)
  }

  /** The user's rooms by id, after `after`, at most `limit` (1 to 500, default 50). */
  list(user: string, after: string | undefined, limit: number = limits.pageDefault): Promise<readonly Room[]> {
    return this.#directory.list(user, after, limit)
  }

  /** The members by name, for a member; at most `limit` (1 to 500). @throws NitkaError as `get` */
  async members(user: string, id: string, after?: string, limit: number = limits.pageMax): Promise<readonly Member[]> {
    await this.#demandMember(user, id)
    return this.#directory.members(id, after, limit)
  }

  /** Who is there now, in the order of their coming, for a member. @throws NitkaError as `get` */
  async present(user: string, id: string): Promise<readonly string[]> {
    await this.#demandMember(user, id)
    return this.presence.find(id)
  }

  /**
   * Makes somebody a member: any member may, and in an open room whoever comes may add themselves. Durable when resolved.
   * Returns whether that changed anything. @throws NitkaError as `get`, `overloaded` the room is full, or the user in too many
   */
  async addMember(user: string, id: string, member: string): Promise<boolean> {
    userName(member, 'user')
    const room = await this.#room(id)
    if (!(room.open && member === user)) await this.#demandMember(user, id)
    return this.#directory.add(id, { user: member, time: this.#clock.now() }, this.#options)
  }

  /**
   * Ends a membership: one's own, or, for the room's creator, anybody's. Their connections leave at once. Durable when
   * resolved. Returns whether there was one. @throws NitkaError as `get`
   */
  async removeMember(user: string, id: string, member: string): Promise<boolean> {
    const room = await this.#demandMember(user, id)
    if (member !== user && room.creator !== user) {
      throw new NitkaError('forbidden', `only ${room.creator} may remove other members`)
    }
    const removed = await this.#directory.remove(id, member)
    // After, not only before: who asked meanwhile may have been let pass.
    this.#membership.forget(id, member)
    if (removed) {
      const event: RoomEvent = { kind: 'removed', room: id, user: member }
      for (const ears of ['room', 'user'] as const) this.#removals.note(ears, event)
      this.#places.end(id, member)
      this.#inRoom.publish(id, event, 128)
      this.#ofUser.publish(member, event, 128)
    }
    return removed
  }

  /**
   * Stores a message of a member and lets it go live. Resolves when durable; of two calls for one room, the first has the
   * smaller offset.
   * @param message any JSON value but null and ''
   * @param clientId 1 to 64 bytes; makes a repeat within `dedupeMs` answer as the first time
   * @throws NitkaError `not-found` no such room, `forbidden` no member, `invalid`, `too-large`, `conflict` the id was used
   * for another message, `overloaded`, `unavailable` outcome unknown: repeat with the same id
   */
  async send(user: string, id: string, message: unknown, clientId?: string): Promise<Appended> {
    return this.#append(await this.append(user, id, message, clientId))
  }

  /** Sends from the application, which need be no member: `from` is '' then. As `send`. */
  async sendSystem(id: string, message: unknown, clientId?: string): Promise<Appended> {
    const draft = this.#draft('', id, message, clientId)
    await this.#room(id)
    return this.#append(draft)
  }

  /** @internal What `send` would append, for a batch. */
  async append(user: string, id: string, message: unknown, clientId?: string): Promise<DraftAppend> {
    const draft = this.#draft(user, id, message, clientId)
    await this.#demandMember(user, id)
    return draft
  }

  /** One page, for a member, oldest first; without bounds the newest. Offsets are exclusive. @throws NitkaError as `get` */
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

  /** A member tells the room something that is not stored (typing, say). Who is behind misses it. @throws NitkaError as `get` */
  async signal(user: string, id: string, signal: unknown): Promise<void> {
    const text = payloadText(signal, 'signal', this.#options.payloadBytesMax)
    await this.#demandMember(user, id)
    this.#inRoom.publish(id, { kind: 'signal', room: id, from: user, signal }, text.length + 128)
  }

  /** @internal Tells those who are in the room how far a task is. Not stored; members that are behind miss it. */
  tellProgress(id: string, told: { readonly task: string; readonly progress: unknown }): void {
    this.#inRoom.publish(id, { kind: 'progress', room: id, ...told }, 512)
  }

  /**
   * The user has read everything up to `offset`; the user's other connections hear of it. Never moves back. Durable when
   * resolved. @throws NitkaError as `get`, `invalid` beyond the newest message
   */
  async read(user: string, id: string, offset: number): Promise<{ read: number; unread: number }> {
    await this.#demandMember(user, id)
    const { read, unread } = await this.#markers.move(user, id, offset)
    this.#ofUser.publish(user, { kind: 'read', room: id, user, offset: read, unread }, 128)
    this.#inRoom.publish(id, { kind: 'read', room: id, user, offset: read }, 128)
    return { read, unread }
  }

  /**
   * @internal Lets a connection hear of the user's own markers and memberships, in whichever room. Returns how to stop.
   */
  watch(user: string, recipient: Recipient, encoder: Encoder<RoomEvent>): () => void {
    return this.#ofUser.add(user, this.#places.listener(recipient, encoder))
  }

  /** @throws NitkaError `not-found`, `forbidden`; an open room admits whoever comes @internal */
  async admit(user: string, id: string): Promise<Room> {
    const found = await this.#directory.membership(plainName(id, 'room'), user)
    if (found === undefined) throw noRoom(id)
    const { room, member } = found
    if (member) return room
    if (!room.open) throw new NitkaError('forbidden', `you are no member of ${id}`)
    await this.#directory.add(id, { user, time: this.#clock.now() }, this.#options)
    return room
  }

  /** @internal Joins with one connection: what was missed since a position, and then what comes. See `Log.join`. */
  async join(id: string, since: Position | undefined, guest: Guest): Promise<RoomJoined> {
    const room = await this.admit(guest.user, id)
    const { recipient, entries: encoder, failed, missing } = guest
    const events = missing === undefined ? { failed } : { failed, missing }
    const joined = await this.#log.join(logOf(id), since, { recipient, encoder, events })
    // A removal finds the place from here on, however late the question below is answered.
    const place = this.#places.take(id, guest, () => joined.subscription.close())
    try {
      const [member, marker] = await Promise.all([
        this.#directory.isMember(id, guest.user),
        this.#markers.find(guest.user, id),
        place.ready,
      ])
      if (!member || place.closed) throw new NitkaError('forbidden', `you are no member of ${id}`)
      place.enter()
      return { ...joined, ...marker, room, presence: this.presence.list(id), close: place.close }
    } catch (error) {
      place.close()
      throw error
    }
  }

  #draft(sender: string, id: string, message: unknown, clientId: string | undefined): DraftAppend {
    const body = payloadText(message, 'message', this.#options.payloadBytesMax)
    const checkedId = clientId === undefined ? {} : { clientId: clientMessageId(clientId, 'clientId') }
    return { entries: [{ log: logOf(id), sender, body, counts: true }], ...checkedId }
  }

  async #append(draft: DraftAppend): Promise<Appended> {
    const [result] = await this.#log.append([draft])
    if (result === undefined) throw new NitkaError('internal', 'the store answered nothing')
    if (!result.repeated) this.sent++
    return result
  }

  async #room(id: string): Promise<Room> {
    const room = await this.#directory.get(plainName(id, 'room'))
    if (room === undefined) throw noRoom(id)
    return room
  }

  #demandMember(user: string, id: string): Promise<Room> {
    return this.#membership.demand(user, id)
  }

  /** What another node did to a membership holds here at once. */
  readonly #heard =
    (ears: 'room' | 'user') =>
    (event: RoomEvent): void => {
      if (event.kind !== 'removed') return
      this.#removals.note(ears, event)
      this.#membership.forget(event.room, event.user)
      this.#places.end(event.room, event.user)
    }
}

function noRoom(id: string): NitkaError {
  return new NitkaError('not-found', `there is no room ${id}`)
}

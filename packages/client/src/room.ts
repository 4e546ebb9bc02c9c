// A room that this client has joined, over any number of connections.

import type { Missing, Position } from '@nitka/protocol'
import type { Marker, Member, Page, PageQuery, RoomInfo, RoomJoined, RoomMessage, Sent } from './answers.ts'
import type { CallOptions } from './calls.ts'
import { Emitter } from './emitter.ts'
import { NitkaError } from './errors.ts'
import { Feed, type MessagesOptions } from './feed.ts'
import { Follower, type Gap } from './follower.ts'
import type { Line } from './line.ts'
import { patient, type SendOptions, sendOptions } from './sending.ts'

/** What `room.on` tells. */
export interface RoomEvents<Message> {
  /** Every message once, in the order of the room, one's own included. */
  message: RoomMessage<Message>
  /** Somebody came, or went. */
  presence: { readonly user: string; readonly online: boolean }
  /** Something that is not stored, such as typing. */
  signal: { readonly from: string; readonly signal: unknown }
  /** Somebody's read marker moved. `unread` is there when it is one's own. */
  read: { readonly user: string; readonly offset: number; readonly unread?: number }
  /** A worker told of progress on a task that names this room. */
  progress: { readonly task: string; readonly progress: unknown }
  /** A membership ended. */
  removed: { readonly user: string }
  /** Messages that will never come, and why. */
  gap: Gap
  /** It was joined again after a lost connection; `recovered`: nothing was missed. */
  resumed: { readonly recovered: boolean }
  /** It is over: left, removed, or the client was closed. Told once. */
  left: { readonly error?: NitkaError }
}

/** A room that this client has joined, over any number of connections. */
export class Room<Message = unknown> {
  readonly id: string
  readonly #line: Line
  readonly #events: Emitter<RoomEvents<Message>>
  readonly #follower: Follower<RoomMessage<Message>, RoomJoined<Message>>
  readonly #feed: Feed<RoomMessage<Message>>
  readonly #onLeft: () => void
  readonly #presence = new Set<string>()
  #info: RoomInfo | undefined
  #marker: Marker = { read: 0, unread: 0 }
  /** Who waits for the first answer. */
  #joiners = 0
  #over = false

  /** Rooms are made by `nitka.rooms.join`. */
  constructor(line: Line, id: string, since: Position | undefined, onLeft: () => void) {
    this.#line = line
    this.id = id
    this.#onLeft = onLeft
    this.#events = new Emitter(line.onError)
    this.#follower = new Follower(line, since, {
      join: (from, answered) => {
        const params = { room: id, ...(from === undefined ? {} : { since: from }) }
        return line.call('rooms.join', params, 'bound', {}, answered)
      },
      joined: (answer, again) => this.#joined(answer, again),
      gap: (gap) => this.#events.emit('gap', gap),
      refused: (error) => this.#refused(error),
      readAfter: (after, signal) => line.call('rooms.history', { room: id, after, limit: 200 }, 'safe', { signal }),
    })
    const listeners = (): number => this.#events.count('message')
    const emit = (entry: RoomMessage<Message>): void => this.#events.emit('message', entry)
    this.#feed = new Feed(this.#follower, { emit, listeners, onError: line.onError }, line.world)
  }

  /** Its name, whether it is open, and who made it. */
  get info(): RoomInfo {
    return this.#info as RoomInfo
  }

  /** Who is in the room now. */
  get presence(): ReadonlySet<string> {
    return this.#presence
  }

  /** One's own read marker, and how many messages lie behind it. */
  get marker(): Marker {
    return this.#marker
  }

  /** What was handed on last. Kept by an application, it lets `join` go on from there after a restart. */
  get position(): Position | undefined {
    return this.#follower.position
  }

  /** Calls `listener` at each event of that name; a listener that throws hurts nobody. Returns how to stop. */
  on<Name extends keyof RoomEvents<Message>>(
    name: Name,
    listener: (event: RoomEvents<Message>[Name]) => void,
  ): () => void {
    const off = this.#events.on(name, listener)
    if (name === 'message') void this.#feed.listened()
    return off
  }

  /**
   * The messages, for `for await`, at the pace of the loop: a slow one reads the room's history, and misses nothing. Ends
   * when the room is left. Throws the error that ended it.
   */
  messages(options: MessagesOptions = {}): AsyncGenerator<RoomMessage<Message>, void, undefined> {
    return this.#feed.messages(options)
  }

  /** Sends. Resolves when it is durable. See `Rooms.send`. */
  send(message: Message, options: SendOptions = {}): Promise<Sent> {
    const params = { room: this.id, message, clientId: options.clientId ?? this.#line.world.id() }
    return this.#line.call('rooms.send', params, 'safe', sendOptions(options))
  }

  /** Tells those who are there now; not stored, and not sent again. */
  async signal(signal: unknown, options: CallOptions = {}): Promise<void> {
    await this.#line.call('rooms.signal', { room: this.id, signal }, 'once', patient(options))
  }

  /** One has read everything up to `offset`. Never moves back. */
  async read(offset: number, options: CallOptions = {}): Promise<Marker> {
    const params = { room: this.id, offset }
    this.#marker = await this.#line.call<Marker>('rooms.read', params, 'safe', patient(options))
    return this.#marker
  }

  /** A page of the past; without bounds the newest. */
  history(query: PageQuery = {}, options: CallOptions = {}): Promise<Page<RoomMessage<Message>>> {
    return this.#line.call('rooms.history', { room: this.id, ...query }, 'safe', patient(options))
  }

  /** The members, by name, 50 when `limit` does not say. */
  members(
    page: { readonly after?: string; readonly limit?: number } = {},
    options: CallOptions = {},
  ): Promise<{ readonly members: readonly Member[]; readonly next: string | null }> {
    return this.#line.call('rooms.members', { room: this.id, ...page }, 'safe', patient(options))
  }

  /** Makes a user a member. */
  async add(user: string, options: CallOptions = {}): Promise<boolean> {
    const params = { room: this.id, user }
    const { added } = await this.#line.call<{ added: boolean }>('rooms.add', params, 'safe', patient(options))
    return added
  }

  /** Ends a membership: one's own, or for the creator anybody's. */
  async remove(user: string, options: CallOptions = {}): Promise<boolean> {
    const params = { room: this.id, user }
    const { removed } = await this.#line.call<{ removed: boolean }>('rooms.remove', params, 'safe', patient(options))
    return removed
  }

  /** Leaves with this client; the membership stays. */
  leave(): void {
    if (this.#over) return
    this.end()
    void this.#line.call('rooms.leave', { room: this.id }, 'bound').catch(() => undefined)
  }

  /** As `leave`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.leave()
  }

  /** @internal Joins, at first or again. */
  resume(): void {
    this.#follower.resume()
  }

  /** @internal Resolves when it was joined. `back`: how many messages of the past come first. */
  async begin(back: number): Promise<void> {
    this.#joiners++
    await this.#follower.first
    const head = this.position?.offset ?? 0
    if (back > 0 && head > 0) this.#feed.begin(Math.max(0, head - back))
  }

  /** @internal One of those who wait for the first answer waits no more; without any, nobody will ever have the room. */
  abandon(): void {
    if (--this.#joiners === 0 && this.#info === undefined) this.leave()
  }

  /** @internal */
  receive(entry: RoomMessage<Message>): void {
    this.#follower.receive(entry)
  }

  /** @internal */
  missing(ranges: readonly Missing[]): void {
    this.#follower.missing(ranges)
  }

  /** @internal */
  tell<Name extends 'presence' | 'signal' | 'read' | 'progress' | 'removed'>(
    name: Name,
    event: RoomEvents<Message>[Name],
  ): void {
    if (name === 'presence') {
      const { user, online } = event as RoomEvents<Message>['presence']
      if (online) this.#presence.add(user)
      else this.#presence.delete(user)
    }
    if (name === 'read') {
      const { offset, unread } = event as RoomEvents<Message>['read']
      if (unread !== undefined) this.#marker = { read: offset, unread }
    }
    this.#events.emit(name, event)
    if (name === 'removed' && (event as RoomEvents<Message>['removed']).user === this.#line.hello?.user) {
      this.#refused(new NitkaError('forbidden', 'the membership ended'))
    }
  }

  /** @internal It is over. */
  end(error?: NitkaError): void {
    if (this.#over) return
    this.#over = true
    this.#onLeft()
    this.#follower.close(error)
    this.#feed.end()
    this.#events.emit('left', error === undefined ? {} : { error })
  }

  #refused(error: NitkaError): void {
    // At first whoever joins is told.
    if (this.#info !== undefined) this.#events.unheard('left', error)
    this.end(error)
  }

  #joined({ room, read, unread, presence, recovered }: RoomJoined<Message>, again: boolean): void {
    this.#info = room
    this.#marker = { read, unread }
    this.#compare(new Set(presence), again)
    if (again) this.#events.emit('resumed', { recovered })
  }

  /** Who came and went while nobody was told. */
  #compare(now: ReadonlySet<string>, tell: boolean): void {
    for (const user of [...this.#presence]) {
      if (now.has(user)) continue
      this.#presence.delete(user)
      if (tell) this.#events.emit('presence', { user, online: false })
    }
    for (const user of now) {
      if (this.#presence.has(user)) continue
      this.#presence.add(user)
      if (tell) this.#events.emit('presence', { user, online: true })
    }
  }
}

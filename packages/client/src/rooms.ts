// Rooms: what the application asks of them, and which room a notification is for.

import type { Missing, Position } from '@nitka/protocol'
import type { RoomInfo, RoomMessage, Sent } from './answers.ts'
import type { CallOptions } from './calls.ts'
import type { Contract, Named, NameOf } from './contract.ts'
import { aborted, type NitkaError, unlessAborted } from './errors.ts'
import type { Line } from './line.ts'
import { Room, type RoomEvents } from './room.ts'
import { patient, type SendOptions, sendOptions } from './sending.ts'

/** Where a joined room begins. */
export interface JoinOptions {
  /** Begins after what was seen before: `room.position` of an earlier time. Absent: with what comes from now on. */
  readonly since?: Position
  /** How many messages of the past come first, when `since` does not say where to begin. */
  readonly history?: number
  /** Ends the wait for the join. */
  readonly signal?: AbortSignal
}

type InRoom<Event> = Event & { readonly room: string }

/** Rooms: `nitka.rooms`. */
export class Rooms<App extends Contract = Contract> {
  readonly #line: Line
  readonly #rooms = new Map<string, Room<never>>()

  /** @internal */
  constructor(line: Line) {
    this.#line = line
    line.onLive(() => {
      for (const room of this.#rooms.values()) room.resume()
    })
    line.on<RoomMessage<never>>('rooms.message', (entry) => this.#rooms.get(entry.room)?.receive(entry))
    this.#tell('presence')
    this.#tell('signal')
    this.#tell('read')
    this.#tell('progress')
    this.#tell('removed')
  }

  /**
   * Joins a room, or gives the one that is joined already. Resolves when the server has answered; from then on the room
   * stays joined over every connection, until it is left. Messages wait until somebody listens.
   * @throws NitkaError `not-found`, `forbidden`, `aborted`, `closed`
   */
  async join<Id extends NameOf<App, 'rooms'>>(
    id: Id,
    options: JoinOptions = {},
  ): Promise<Room<Named<App, 'rooms', Id>>> {
    const known = this.#rooms.get(id)
    const room = known ?? new Room<never>(this.#line, id, options.since, () => this.#rooms.delete(id))
    const { signal } = options
    if (signal?.aborted) throw aborted(signal)
    if (this.#line.state === 'closed') await this.#line.ready()
    if (known === undefined) {
      this.#rooms.set(id, room)
      if (this.#line.state === 'live') room.resume()
    }
    const begun = room.begin(options.since === undefined && known === undefined ? (options.history ?? 0) : 0)
    await unlessAborted(begun, signal, () => room.abandon())
    return room as unknown as Room<Named<App, 'rooms', Id>>
  }

  /**
   * Makes a room; one is its first member. `id` absent: the server chooses.
   * @throws NitkaError `lost` when it is not known whether it was made
   */
  create(
    wish: { readonly name: string; readonly open?: boolean; readonly id?: string },
    options: CallOptions = {},
  ): Promise<RoomInfo> {
    return this.#line.call('rooms.create', wish, 'once', patient(options))
  }

  /** One's own rooms, by id. `next`: pass it as `after`. */
  list(
    page: { readonly after?: string; readonly limit?: number } = {},
    options: CallOptions = {},
  ): Promise<{ readonly rooms: readonly RoomInfo[]; readonly next: string | null }> {
    return this.#line.call('rooms.list', page, 'safe', patient(options))
  }

  /**
   * Sends to a room, joined or not. Resolves when it is durable: it waits for a connection and is repeated under one
   * client id until the server has answered, for up to 12 hours. Messages to one room are stored in the order of the
   * calls, unless the server's store fails in between.
   * @throws NitkaError `invalid`, `forbidden`, `not-found`, `too-large`, `overloaded` (too many wait), `timeout`, `closed`
   */
  send<Id extends NameOf<App, 'rooms'>>(
    id: Id,
    message: Named<App, 'rooms', Id>,
    options: SendOptions = {},
  ): Promise<Sent> {
    const params = { room: id, message, clientId: options.clientId ?? this.#line.world.id() }
    return this.#line.call('rooms.send', params, 'safe', sendOptions(options))
  }

  /** @internal Entries of a followed log will not come. False: it is not a room's. */
  missing(log: string, ranges: readonly Missing[]): void {
    if (log.startsWith('room:')) this.#rooms.get(log.slice(5))?.missing(ranges)
  }

  /** @internal */
  end(error: NitkaError | undefined): void {
    for (const room of [...this.#rooms.values()]) room.end(error)
  }

  #tell<Name extends 'presence' | 'signal' | 'read' | 'progress' | 'removed'>(name: Name): void {
    this.#line.on<InRoom<RoomEvents<never>[Name]>>(`rooms.${name}`, ({ room, ...event }) =>
      this.#rooms.get(room)?.tell(name, event as unknown as RoomEvents<never>[Name]),
    )
  }
}

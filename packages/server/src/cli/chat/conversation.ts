// A room as the command chats in it: joined over any number of connections, with what was sent and is not confirmed yet.

import { connect, type Nitka, NitkaError, type Room, type RoomMessage } from '@nitka/client'
import type { Random } from '../../world.ts'
import { firstConnection } from '../live.ts'
import type { ChatEvent } from './events.ts'

export interface ChatWishes {
  readonly url: URL
  readonly room: string
  /** For a server in open mode. */
  readonly user: string | undefined
  readonly token: string | undefined
  /** Makes the room when it is not there. */
  readonly create: boolean
}

/** Messages that wait for their confirmation at one time. */
const unconfirmedMax = 64

export class Conversation {
  /** Who one is. */
  readonly user: string
  readonly #nitka: Nitka
  readonly #room: Room
  #tell: (event: ChatEvent) => void = () => undefined
  /** Begins the client ids of this conversation. */
  readonly #prefix: string
  readonly #pending = new Set<Promise<void>>()
  readonly #over = Promise.withResolvers<NitkaError | undefined>()
  #sent = 0
  #refused = 0
  /** Offsets: the newest own message that is stored, the newest that was told, the oldest that was told. */
  #stored = 0
  #told: number
  #oldest: number
  #whenTold: (() => void) | undefined

  private constructor(nitka: Nitka, room: Room, random: Random) {
    this.user = nitka.user ?? ''
    this.#nitka = nitka
    this.#room = room
    this.#prefix = `chat-${Buffer.from(random.bytes(9)).toString('base64url')}-`
    this.#told = room.position?.offset ?? 0
    this.#oldest = this.#told + 1
  }

  /**
   * Connects and joins. What comes waits for `listen`.
   * @throws NitkaError of the client: `unavailable` nobody answers, `not-found`, `forbidden`, `unauthenticated`
   */
  static async join(wishes: ChatWishes, random: Random): Promise<Conversation> {
    const url = new URL(wishes.url)
    if (wishes.user !== undefined) url.searchParams.set('user', wishes.user)
    const nitka = connect(url, wishes.token === undefined ? {} : { token: wishes.token })
    try {
      await firstConnection(nitka, url)
      return new Conversation(nitka, await roomOf(nitka, wishes), random)
    } catch (error) {
      nitka.close()
      throw error
    }
  }

  /** Tells so many messages of the past (0 to 500), who is here, and from then on everything. */
  async listen(history: number, tell: (event: ChatEvent) => void): Promise<void> {
    this.#tell = tell
    if (history > 0) await this.older(history)
    const room = this.#room
    this.#tell({ event: 'joined', room: room.id, user: this.user, present: this.present })
    room.on('left', ({ error }) => {
      this.#over.resolve(error)
      this.#whenTold?.()
    })
    room.on('presence', (presence) => {
      if (presence.user !== this.user) this.#tell({ event: 'presence', ...presence })
    })
    room.on('gap', (gap) => {
      this.#tell({ event: 'gap', ...gap })
      this.#reached(gap.to)
    })
    this.#watchConnection()
    room.on('message', (entry) => {
      this.#tell({ event: 'message', ...entry })
      this.#reached(entry.offset)
    })
  }

  /** Who is in the room now, oneself included. */
  get present(): readonly string[] {
    return [...this.#room.presence]
  }

  /** Messages that are not confirmed. */
  get unconfirmed(): number {
    return this.#pending.size
  }

  /** Messages that were refused. */
  get refused(): number {
    return this.#refused
  }

  /** Resolves when the room is over for this client, with the error that ended it. */
  get over(): Promise<NitkaError | undefined> {
    return this.#over.promise
  }

  /** Whether this conversation sent it. */
  isOwn({ clientId }: RoomMessage): boolean {
    return clientId?.startsWith(this.#prefix) === true
  }

  /** Sends; a refusal is told. Resolves when one more may be sent. */
  async send(message: string): Promise<void> {
    const clientId = `${this.#prefix}${++this.#sent}`
    const confirmed = this.#room.send(message, { clientId }).then(
      ({ offset }) => {
        this.#stored = Math.max(this.#stored, offset)
      },
      ({ code, message: reason }: NitkaError) => {
        if (code === 'closed') return
        this.#refused++
        this.#tell({ event: 'refused', message, code, reason })
      },
    )
    this.#pending.add(confirmed)
    void confirmed.then(() => this.#pending.delete(confirmed))
    if (this.#pending.size >= unconfirmedMax) await Promise.race(this.#pending)
  }

  /** Tells so many messages (1 to 500) before the oldest that was told. Returns how many there were. */
  async older(limit: number): Promise<number> {
    const { messages } = await this.#room.history({ before: this.#oldest, limit })
    for (const entry of messages) this.#tell({ event: 'message', ...entry })
    this.#oldest = messages[0]?.offset ?? this.#oldest
    return messages.length
  }

  /** Resolves when everything sent was answered, and what was stored was told; or when the room is over. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending)
    while (this.#told < this.#stored && this.#nitka.state !== 'closed') {
      await new Promise<void>((resolve) => {
        this.#whenTold = resolve
      })
    }
  }

  /** Ends it, at once. */
  leave(): void {
    this.#nitka.close()
  }

  #reached(offset: number): void {
    this.#told = Math.max(this.#told, offset)
    this.#whenTold?.()
  }

  #watchConnection(): void {
    let lost = false
    this.#nitka.on('state', ({ state, error }) => {
      if (state !== 'waiting' || lost) return
      lost = true
      this.#tell({ event: 'state', state, reason: error?.message ?? 'no reason was given' })
    })
    this.#room.on('resumed', () => {
      lost = false
      this.#tell({ event: 'state', state: 'live' })
    })
  }
}

async function roomOf(nitka: Nitka, { room, create }: ChatWishes): Promise<Room> {
  try {
    return await nitka.rooms.join(room)
  } catch (error) {
    if (!(error instanceof NitkaError) || error.code !== 'not-found') throw error
    if (!create) throw new NitkaError('not-found', `there is no room ${room}; --create makes it, open to everybody`)
  }
  await nitka.rooms.create({ id: room, name: room, open: true }).catch((error: NitkaError) => {
    // Somebody else was faster.
    if (error.code !== 'conflict') throw error
  })
  return nitka.rooms.join(room)
}

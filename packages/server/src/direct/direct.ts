// Direct chat: messages between users and from the application to a user, kept for whoever is away, with history.
// Owns what may be sent and who may read; order, durability and repetition are the log's.

import { clientMessageId, isObject, limits, NitkaError, type Position, userName } from '@nitka/protocol'
import type { Bus } from '../bus.ts'
import { Audience } from '../fanout/audience.ts'
import { EventListener } from '../fanout/event-listener.ts'
import { Exchange } from '../fanout/exchange.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { LogMessage } from '../log/feed.ts'
import type { DraftAppend, Joined, Log } from '../log/log.ts'
import type { Appended, LogPage, MissingRange } from '../log/log-store.ts'
import type { Clock } from '../world.ts'
import { Inbox, type Place } from './inbox.ts'
import { logOf, type SystemSend, systemDraft, systemThread, type UserSend, userDrafts, userThread } from './messages.ts'
import { noteUndelivered } from './undelivered.ts'

/** A direct message that is stored. */
export interface Sent {
  /** 20 characters, sortable by time. */
  readonly id: string
  /** In the log of the receiver. */
  readonly offset: number
  /** In the log of the sender; absent for messages of the application. */
  readonly sentOffset?: number
  /** Wall time, milliseconds since 1970. */
  readonly time: number
  /** True: this client id was stored before; id and offsets are those of the first time. */
  readonly repeated: boolean
}

/** Which part of the history; without bounds the newest. */
export interface HistoryQuery {
  /** Only what was exchanged with this user. */
  readonly with?: string
  /** Only what users, or what the application, sent. */
  readonly kind?: 'user' | 'system'
  /** Offsets, exclusive; not both. `after` reads upwards, `before` the newest below it. */
  readonly before?: number
  readonly after?: number
  /** 1 to 500, default 50. */
  readonly limit?: number
}

/** A page, and where it ends when entries of it were left out. */
export interface HistoryPage extends LogPage {
  readonly reached?: number
}

/** How far a user has read. */
export interface Unread {
  /** How many messages for the user lie behind the read marker. */
  readonly unread: number
  /** The read marker. */
  readonly read: number
}

export interface DirectJoined extends Joined, Unread {
  /** Everything after this offset follows; there when `pending` was asked for. */
  readonly from?: number
  /** Says that the connection's socket took everything up to `offset`. */
  readonly took: (offset: number) => void
  /** May be called twice. */
  readonly close: () => void
}

export interface DirectReceiver {
  readonly recipient: Recipient
  readonly encoder: Encoder<LogMessage>
  /** It tells what was delivered; that its socket took it says nothing. */
  readonly confirms?: boolean
  /** The store does not answer; nothing more follows. */
  readonly failed: (error: unknown) => void
  /** Entries were passed over because the store cannot serve them. */
  readonly missing: (ranges: readonly MissingRange[]) => void
}

export interface DirectOptions {
  /** 0: no limit. */
  readonly payloadBytesMax: number
  /** Whether a webhook wants to hear of what stays undelivered. */
  readonly noteUndelivered: boolean
}

const readCursor = 'read'

/** Direct messages: between users, and from the application to a user. */
export class Direct {
  sent = 0
  /** Markers that a connection missed because its socket was behind. */
  eventsMissed = 0
  readonly #log: Log
  readonly #clock: Clock
  readonly #options: DirectOptions
  readonly #inboxes = new Map<string, Inbox>()
  /** What goes to users' connections on other nodes, and comes from there. */
  readonly exchange: Exchange
  readonly #markers: Audience<Unread>

  /** @internal */
  constructor(parts: { log: Log; clock: Clock; pulse: Pulse; bus: Bus }, options: DirectOptions) {
    this.#log = parts.log
    this.#clock = parts.clock
    this.exchange = new Exchange(parts.bus, parts.pulse)
    const tools = { pulse: parts.pulse, exchange: this.exchange }
    this.#markers = new Audience(tools, { subject: 'direct', read: readUnread })
    this.#options = options
  }

  /** Users with an open inbox. */
  get inboxes(): number {
    return this.#inboxes.size
  }

  /**
   * Sends from a user to a user. Resolves when the message is durable in both their logs.
   * Of two calls for one receiver the first has the smaller offset.
   * @param clientId 1 to 64 bytes; makes a repeat within `dedupeMs` (24 h) answer as the first time
   * @throws NitkaError `invalid`, `too-large`, `conflict` (the id was used for another message), `overloaded`, `unavailable`
   * (outcome unknown: repeat with the same id)
   */
  async sendUser(send: UserSend, clientId?: string): Promise<Sent> {
    return this.#append(this.userAppend(send, clientId))
  }

  /** Sends from the application to a user. As `sendUser`. */
  async sendSystem(send: SystemSend, clientId?: string): Promise<Sent> {
    return this.#append(this.systemAppend(send, clientId))
  }

  /** What `sendUser` would append, for a batch. @throws NitkaError `invalid`, `too-large` @internal */
  userAppend(send: UserSend, clientId?: string): DraftAppend {
    return this.#draft(userDrafts(send, this.#options.payloadBytesMax), clientId)
  }

  /** What `sendSystem` would append, for a batch. @throws NitkaError `invalid`, `too-large` @internal */
  systemAppend(send: SystemSend, clientId?: string): DraftAppend {
    return this.#draft([systemDraft(send, this.#options.payloadBytesMax)], clientId)
  }

  /**
   * One page of the user's own messages, sent and received, oldest first, pending ones included.
   * Without bounds the newest. `kind: 'user'` without `with` may return a short page with `more`, an empty one too.
   * @throws NitkaError `invalid`
   */
  async history(user: string, query: HistoryQuery): Promise<HistoryPage> {
    if (query.before !== undefined && query.after !== undefined) {
      throw new NitkaError('invalid', 'before and after exclude each other', { field: 'before' })
    }
    if (query.with !== undefined && query.kind === 'system') {
      throw new NitkaError('invalid', 'with and kind=system exclude each other', { field: 'with' })
    }
    const limit = query.limit ?? limits.pageDefault
    const thread = query.with === undefined ? threadOf(query.kind) : userThread(userName(query.with, 'with'))
    const filter = thread === undefined ? {} : { thread }
    const range =
      query.after === undefined
        ? { before: query.before ?? Number.MAX_SAFE_INTEGER, limit, ...filter }
        : { after: query.after, limit, ...filter }
    const page = await this.#log.store.read(logOf(user), range)
    if (query.kind !== 'user' || thread !== undefined) return page
    const reached = query.after === undefined ? page.entries[0] : page.entries.at(-1)
    const entries = page.entries.filter((entry) => entry.thread !== systemThread)
    return reached === undefined ? page : { ...page, entries, reached: reached.offset }
  }

  /** @internal Takes the user's pending messages, and then what comes, for a plain connection. */
  open(user: string, device: string, recipient: Recipient, encoder: Encoder<LogMessage>): Place {
    return this.#inbox(user).open(device, recipient, encoder)
  }

  /**
   * @internal Follows the user's log from a position, for clients that keep their own. `pending`: from what the device has
   * confirmed; then only what it confirms counts as delivered.
   */
  async join(
    user: string,
    device: string,
    since: Position | 'pending' | undefined,
    receiver: DirectReceiver,
  ): Promise<DirectJoined> {
    const { took: counted, pendingAfter, release } = this.#inbox(user).hold(device)
    const took = since === 'pending' || receiver.confirms === true ? () => undefined : counted
    let joined: Joined | undefined
    const close = (): void => {
      joined?.subscription.close()
      release()
    }
    try {
      const { failed, missing } = receiver
      if (since === 'pending') {
        const from = await pendingAfter()
        joined = await this.#log.join(logOf(user), { offset: from }, { ...receiver, events: { failed, missing } })
        // Of another past the cursor says nothing: what comes from now on follows.
        const changed = !joined.recovery.recovered && joined.recovery.reason === 'history-changed'
        const begun = { from: changed ? joined.state.head : from }
        return { ...joined, ...begun, ...(await this.unread(user)), took, close }
      }
      const events = { taken: took, failed, missing }
      joined = await this.#log.join(logOf(user), since, { ...receiver, events })
      return { ...joined, ...(await this.unread(user)), took, close }
    } catch (error) {
      close()
      throw error
    }
  }

  /** @internal Lets a connection hear when the user's read marker moves, on any device. Returns how to stop. */
  watch(user: string, recipient: Recipient, encoder: Encoder<Unread>): () => void {
    return this.#markers.add(
      user,
      new EventListener(recipient, encoder, (count) => {
        this.eventsMissed += count
      }),
    )
  }

  /**
   * The device has everything up to `offset`. Never moves back. Resolves when durable.
   * @throws NitkaError `invalid` beyond the head of the log
   */
  async acknowledge(user: string, device: string, offset: number): Promise<void> {
    await this.#demandWithin(user, offset)
    await this.#inbox(user).confirm(device, offset)
  }

  /** The user has read all up to `offset`, on any device. Never moves back. Durable when resolved. @throws NitkaError `invalid` */
  async read(user: string, offset: number): Promise<Unread> {
    await this.#demandWithin(user, offset)
    await this.#log.store.move([{ log: logOf(user), name: readCursor, offset, time: this.#clock.now() }])
    const marker = await this.unread(user)
    this.#markers.publish(user, marker, 128)
    return marker
  }

  /** How many messages for the user lie behind the read marker, and where that is. */
  async unread(user: string): Promise<Unread> {
    const [cursor] = (await this.#log.store.cursors(logOf(user), readCursor)).filter(({ name }) => name === readCursor)
    const read = cursor?.offset ?? 0
    const { entries, state } = await this.#log.store.read(logOf(user), { before: read + 1, limit: 1 })
    return { read, unread: state.counted - (entries.at(-1)?.counted ?? 0) }
  }

  #inbox(user: string): Inbox {
    let inbox = this.#inboxes.get(user)
    if (inbox === undefined) {
      inbox = new Inbox(user, this.#log, this.#clock, () => this.#inboxes.delete(user))
      this.#inboxes.set(user, inbox)
    }
    return inbox
  }

  async #demandWithin(user: string, offset: number): Promise<void> {
    const [state] = await this.#log.store.states([logOf(user)])
    if (offset <= (state?.head ?? 0)) return
    throw new NitkaError('invalid', `offset is beyond the newest message (${state?.head ?? 0})`, { field: 'offset' })
  }

  #draft(entries: DraftAppend['entries'], clientId: string | undefined): DraftAppend {
    const noted = this.#options.noteUndelivered ? noteUndelivered(entries) : entries
    return clientId === undefined ? { entries: noted } : { entries: noted, clientId: clientMessageId(clientId, 'id') }
  }

  async #append(draft: DraftAppend): Promise<Sent> {
    const [result] = await this.#log.append([draft])
    if (result === undefined) throw new NitkaError('internal', 'the store answered nothing')
    if (!result.repeated) this.sent++
    return sentOf(draft, result)
  }
}

/** The answer to a send, from what was appended. */
export function sentOf(draft: DraftAppend, result: Appended): Sent {
  const [offset = 0, sentOffset] = result.offsets
  const { id, time, repeated } = result
  const copied = draft.entries[1]?.log.kind === 'user' && sentOffset !== undefined
  return { id, time, repeated, offset, ...(copied ? { sentOffset } : {}) }
}

function threadOf(kind: 'user' | 'system' | undefined): string | undefined {
  return kind === 'system' ? systemThread : undefined
}

/** A marker as another node sent it; undefined when it is none. */
function readUnread(value: unknown): Unread | undefined {
  if (!isObject(value)) return undefined
  const { unread, read } = value
  return typeof unread === 'number' && typeof read === 'number' ? { unread, read } : undefined
}

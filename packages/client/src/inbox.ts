// One's own inbox: the log of what one was sent and what one sent, from any device.

import type { Missing, Position } from '@nitka/protocol'
import type { DirectMessage, InboxJoined, Marker } from './answers.ts'
import type { CallOptions } from './calls.ts'
import { Emitter } from './emitter.ts'
import type { NitkaError } from './errors.ts'
import { Feed, type MessagesOptions } from './feed.ts'
import { Follower, type Gap, type Joined } from './follower.ts'
import type { Line } from './line.ts'
import { patient, sendOptions } from './sending.ts'

/** Where an inbox begins, and what counts as delivered. */
export interface InboxOptions {
  /**
   * Begins after what was seen before: `inbox.position` of an earlier time. Absent: after what this device has confirmed,
   * as the server remembers it.
   */
  readonly since?: Position
  /**
   * `auto`: a message counts as delivered once a listener, or the loop, has come back from it. `manual`: when
   * `confirm` is called. What is not confirmed comes again when the client starts anew.
   */
  readonly confirm?: 'auto' | 'manual'
  /** Ends the wait for the opening. */
  readonly signal?: AbortSignal
}

/** What `inbox.on` tells. */
export interface InboxEvents<Message> {
  /** Every message once, in order, one's own from any device included. */
  message: DirectMessage<Message>
  /** The read marker moved, on some device. */
  read: Marker
  /** Messages that will never come, and why. */
  gap: Gap
  /** It follows again after a lost connection; `recovered`: nothing was missed. */
  resumed: { readonly recovered: boolean }
  /** It is over. Told once. */
  closed: { readonly error?: NitkaError }
}

type Answer<Message> = Joined<DirectMessage<Message>> & Marker

/** Confirmations are told together. */
const confirmMs = 200

/** One’s own direct messages, sent and received, over any number of connections. */
export class Inbox<Message = unknown> {
  readonly #line: Line
  readonly #events: Emitter<InboxEvents<Message>>
  readonly #follower: Follower<DirectMessage<Message>, Answer<Message>>
  readonly #feed: Feed<DirectMessage<Message>>
  readonly #onClosed: () => void
  #marker: Marker = { read: 0, unread: 0 }
  #handled = 0
  #confirmed = 0
  #cancelConfirm: (() => void) | undefined
  #opened = false
  /** Who waits for the first answer. */
  #openers = 0
  #over = false

  /** Inboxes are opened by `nitka.direct.open`. */
  constructor(line: Line, { since, confirm = 'auto' }: InboxOptions, onClosed: () => void) {
    this.#line = line
    this.#onClosed = onClosed
    this.#events = new Emitter(line.onError)
    this.#follower = new Follower(line, since, {
      join: (from, answered) => {
        const params = from === undefined ? { pending: true } : { since: from, confirms: true }
        return line.call<InboxJoined<Message>>('direct.resume', params, 'bound', {}, ({ messages, ...rest }) =>
          answered({ ...rest, entries: messages }),
        )
      },
      joined: ({ read, unread, recovered, reason }, again) => {
        this.#opened = true
        this.#marker = { read, unread }
        // Offsets of another past say nothing about what is confirmed of this one.
        if (reason === 'history-changed') this.#handled = this.#confirmed = 0
        if (again) this.#events.emit('resumed', { recovered })
      },
      gap: (gap) => this.#events.emit('gap', gap),
      refused: (error) => {
        // At first whoever opens it is told.
        if (this.#opened) this.#events.unheard('closed', error)
        this.end(error)
      },
      readAfter: (after, signal) => line.call('direct.history', { after, limit: 200 }, 'safe', { signal }),
    })
    const handled = confirm === 'auto' ? { handled: ({ offset }: { offset: number }) => this.#handle(offset) } : {}
    const listeners = (): number => this.#events.count('message')
    const emit = (entry: DirectMessage<Message>): void => this.#events.emit('message', entry)
    this.#feed = new Feed(this.#follower, { emit, listeners, ...handled, onError: line.onError }, line.world)
  }

  /** How far one has read, on any device, and how many messages lie behind that. */
  get marker(): Marker {
    return this.#marker
  }

  /** What was handed on last. */
  get position(): Position | undefined {
    return this.#follower.position
  }

  /** Calls `listener` at each event of that name; a listener that throws hurts nobody. Returns how to stop. */
  on<Name extends keyof InboxEvents<Message>>(
    name: Name,
    listener: (event: InboxEvents<Message>[Name]) => void,
  ): () => void {
    const off = this.#events.on(name, listener)
    if (name === 'message') void this.#feed.listened()
    return off
  }

  /** The messages, for `for await`, at the pace of the loop. See `Room.messages`. */
  messages(options: MessagesOptions = {}): AsyncGenerator<DirectMessage<Message>, void, undefined> {
    return this.#feed.messages(options)
  }

  /** This device has everything up to `offset`. Never moves back. Resolves when that is durable. */
  async confirm(offset: number, options: CallOptions = {}): Promise<void> {
    await this.#line.call('direct.ack', { offset }, 'safe', patient(options))
  }

  /** One has read everything up to `offset`, on any device. Never moves back. */
  async read(offset: number, options: CallOptions = {}): Promise<Marker> {
    this.#marker = await this.#line.call<Marker>('direct.read', { offset }, 'safe', patient(options))
    return this.#marker
  }

  /** Takes no more. What was handled is confirmed. */
  close(): void {
    this.end()
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** @internal Resolves when it was opened. */
  begin(): Promise<void> {
    this.#openers++
    return this.#follower.first
  }

  /** @internal One of those who wait for the first answer waits no more; without any, nobody will ever have it. */
  abandon(): void {
    if (--this.#openers === 0 && !this.#opened) this.close()
  }

  /** @internal */
  resume(): void {
    this.#follower.resume()
  }

  /** @internal */
  receive(message: DirectMessage<Message>): void {
    this.#follower.receive(message)
  }

  /** @internal */
  missing(ranges: readonly Missing[]): void {
    this.#follower.missing(ranges)
  }

  /** @internal */
  tellRead(marker: Marker): void {
    this.#marker = marker
    this.#events.emit('read', marker)
  }

  /** @internal Tells at once what was handled. */
  settle(): void {
    this.#cancelConfirm?.()
    this.#cancelConfirm = undefined
    this.#tellConfirmed()
  }

  /** @internal It is over. */
  end(error?: NitkaError): void {
    if (this.#over) return
    this.#over = true
    this.settle()
    this.#onClosed()
    this.#follower.close(error)
    this.#feed.end()
    this.#events.emit('closed', error === undefined ? {} : { error })
  }

  #handle(offset: number): void {
    // What was at hand when it ended comes again.
    if (this.#over) return
    this.#handled = Math.max(this.#handled, offset)
    this.#cancelConfirm ??= this.#line.world.after(confirmMs, () => this.settle())
  }

  #tellConfirmed(): void {
    if (this.#handled <= this.#confirmed) return
    this.#confirmed = this.#handled
    // It waits for a connection, however long that takes: perhaps no later message comes to confirm it.
    const told = this.#line.call('direct.ack', { offset: this.#confirmed }, 'safe', sendOptions({}))
    told.catch(() => undefined)
  }
}

// Direct messages: between users, and from the application to a user.

import type { Missing } from '@nitka/protocol'
import type { DirectMessage, Page, PageQuery, Sent, UserId } from './answers.ts'
import type { CallOptions } from './calls.ts'
import type { Contract, DirectOf } from './contract.ts'
import { type NitkaError, unlessAborted } from './errors.ts'
import { Inbox, type InboxOptions } from './inbox.ts'
import type { Line } from './line.ts'
import { patient, type SendOptions, sendOptions } from './sending.ts'

/** Which part of the history; without bounds the newest. */
export interface DirectQuery extends PageQuery {
  /** Only with this user. */
  readonly with?: UserId
  /** Only from users, or only from the application. */
  readonly kind?: 'user' | 'system'
}

/** Direct messages: `nitka.direct`. */
export class Direct<App extends Contract = Contract> {
  readonly #line: Line
  #inbox: Inbox<never> | undefined

  /** @internal */
  constructor(line: Line) {
    this.#line = line
    line.onLive(() => this.#inbox?.resume())
    line.on<DirectMessage<never>>('direct.message', (message) => this.#inbox?.receive(message))
    line.on<{ read: number; unread: number }>('direct.read', (marker) => this.#inbox?.tellRead(marker))
  }

  /**
   * Sends to a user, who gets it now or when they come back. Resolves when it is durable: it waits for a connection and is
   * repeated under one client id until the server has answered, for up to 12 hours.
   * @throws NitkaError `invalid`, `forbidden`, `too-large`, `overloaded` (too many wait), `timeout`, `closed`
   */
  send(to: UserId, message: DirectOf<App>, options: SendOptions = {}): Promise<Sent> {
    const params = { to, message, clientId: options.clientId ?? this.#line.world.id() }
    return this.#line.call('direct.send', params, 'safe', sendOptions(options))
  }

  /**
   * Opens one's own inbox: first what was not confirmed yet on this device, then what comes, each message once and in
   * order. Gives the one that is open already. Resolves when the server has answered.
   * @throws NitkaError `unauthenticated`, `aborted`, `closed`
   */
  async open(options: InboxOptions = {}): Promise<Inbox<DirectOf<App>>> {
    const { signal } = options
    if (this.#line.state === 'closed') await this.#line.ready()
    let inbox = this.#inbox
    if (inbox === undefined) {
      inbox = new Inbox<never>(this.#line, options, () => {
        this.#inbox = undefined
      })
      this.#inbox = inbox
      if (this.#line.state === 'live') inbox.resume()
    }
    const opened = inbox
    await unlessAborted(opened.begin(), signal, () => opened.abandon())
    return opened as unknown as Inbox<DirectOf<App>>
  }

  /** A page of one's own messages, sent and received, oldest first; without bounds the newest. */
  history(query: DirectQuery = {}, options: CallOptions = {}): Promise<Page<DirectMessage<DirectOf<App>>>> {
    return this.#line.call('direct.history', query, 'safe', patient(options))
  }

  /** @internal What was handled is told at once. */
  settle(): void {
    this.#inbox?.settle()
  }

  /** @internal */
  missing(log: string, ranges: readonly Missing[]): void {
    if (log.startsWith('user:')) this.#inbox?.missing(ranges)
  }

  /** @internal */
  end(error: NitkaError | undefined): void {
    this.#inbox?.end(error)
  }
}

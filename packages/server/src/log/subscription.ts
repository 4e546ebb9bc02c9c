// A subscription: one receiver's way through a log. It is live, or it reads; it never queues.
//
//   reading ──at the head──▶ live ──outbox full──▶ behind ──drained──▶ reading
//   reading ──outbox full──▶ behind                any ──close──▶ ended
//
// Every entry after `position` reaches the receiver in offset order, once, whichever way it comes.

import assert from 'node:assert'
import { NitkaError } from '@nitka/protocol'
import type { Batch, Listener } from '../fanout/broadcast.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import type { Gate } from '../gate.ts'
import { type Clock, sleep } from '../world.ts'
import type { Feed, LogMessage } from './feed.ts'
import type { Entry, LogStore, MissingRange } from './log-store.ts'
import { readPageMax } from './reading.ts'

const next = {
  reading: ['live', 'behind', 'ended'],
  behind: ['reading', 'ended'],
  live: ['behind', 'reading', 'ended'],
  ended: [],
} as const satisfies Record<string, readonly string[]>

type Phase = keyof typeof next

export interface SubscriptionEvents {
  /** The socket took everything up to and including `offset`. */
  taken?(offset: number): void
  /** Entries that can never be served were passed over. */
  missing?(ranges: readonly MissingRange[]): void
  /** The store does not answer, or has another past than before; the subscription has ended. */
  failed?(error: unknown): void
  /** It went live for the first time. */
  live?(): void
}

export interface SubscriptionTools {
  readonly store: LogStore
  readonly gate: Gate
  readonly clock: Clock
  /** How long a store may be away, milliseconds, before the receiver is told and sent away. 0: not at all. */
  readonly patienceMs: number
  readonly onEnd: () => void
}

/** How long to wait before a store that is away is asked again. */
const againMs = 300

export class Subscription implements Listener<LogMessage> {
  readonly encoder: Encoder<LogMessage>
  readonly recipient: Recipient
  readonly #feed: Feed
  readonly #tools: SubscriptionTools
  readonly #events: SubscriptionEvents
  readonly #forgetRewind: () => void
  #phase: Phase = 'reading'
  #position: number
  #begun = false
  #forgetDrain: (() => void) | undefined
  /** Since when the store does not answer. Monotonic. */
  #awaySince: number | undefined

  constructor(
    feed: Feed,
    position: number,
    receiver: { recipient: Recipient; encoder: Encoder<LogMessage>; events?: SubscriptionEvents },
    tools: SubscriptionTools,
  ) {
    this.#feed = feed
    this.#position = position
    this.recipient = receiver.recipient
    this.encoder = receiver.encoder
    this.#events = receiver.events ?? {}
    this.#tools = tools
    this.#forgetRewind = feed.onRewind(() => this.#changed())
    feed.broadcast.add(this)
  }

  get phase(): Phase {
    return this.#phase
  }

  /** The last offset handed to the receiver. */
  get position(): number {
    return this.#position
  }

  /** Begins to hand out what follows `position`. */
  start(): void {
    if (this.#phase !== 'reading') return
    if (this.#feed.head !== undefined && this.#position >= this.#feed.head) this.#goLive()
    else void this.#read()
  }

  take(batch: Batch<LogMessage>): void {
    if (this.#phase !== 'live') return
    const first = batch.messages[0]?.entry.offset ?? 0
    const last = batch.messages.at(-1)?.entry.offset ?? 0
    if (last <= this.#position) return
    if (!this.recipient.hasRoom) return this.#wait()
    if (first > this.#position + 1 || last - first + 1 !== batch.messages.length) {
      // A gap: what can never be read stands between, or this listener was passed over. The store knows which.
      this.#enter('reading')
      void this.#read()
      return
    }
    this.#hand(batch.from(this.#position + 1 - first), last)
  }

  /** Ends it. May be called twice. */
  close(): void {
    if (this.#phase === 'ended') return
    this.#enter('ended')
    this.#forgetDrain?.()
    this.#forgetRewind()
    this.#feed.broadcast.remove(this)
    this.#tools.onEnd()
  }

  get #hasEnded(): boolean {
    return this.#phase === 'ended'
  }

  #hand(bytes: Uint8Array, upTo: number): void {
    this.#position = upTo
    const { taken } = this.#events
    if (taken === undefined) this.recipient.deliver(bytes)
    else this.recipient.deliver(bytes, () => taken(upTo))
  }

  async #read(): Promise<void> {
    while (this.#phase === 'reading') {
      if (!this.recipient.hasRoom) return this.#wait()
      const after = this.#position
      const live = this.#feed.head
      const { gate, store } = this.#tools
      const page = await gate
        .run(() => store.read(this.#feed.log, { after, limit: readPageMax }))
        .catch((error: unknown) => this.#failed(error))
      if (this.#phase !== 'reading') return
      if (page === undefined) continue
      this.#awaySince = undefined
      this.#feed.compare(live, page.state)
      if (this.#hasEnded) return
      if (page.missing.length > 0) this.#events.missing?.(page.missing)
      if (page.entries.length > 0) this.#give(page.entries)
      const passed = page.missing.at(-1)?.to ?? 0
      if (!page.more && passed > this.#position) this.#position = passed
      if (!page.more && this.#position >= (this.#feed.head ?? 0)) return this.#goLive()
    }
  }

  /** A store that is away for a while, as one on another machine may be, is waited for; any other failure ends it. */
  async #failed(error: unknown): Promise<undefined> {
    const { clock, patienceMs } = this.#tools
    this.#awaySince ??= clock.monotonic()
    const passing = error instanceof NitkaError && error.code === 'unavailable'
    if (passing && clock.monotonic() - this.#awaySince < patienceMs) {
      await sleep(clock, againMs)
      return
    }
    this.close()
    this.#events.failed?.(error)
  }

  /** What the receiver has may not be what the store has: whoever joins again is told. */
  #changed(): void {
    this.close()
    this.#events.failed?.(new NitkaError('unavailable', 'the past of the log has changed; join again'))
  }

  #give(entries: readonly Entry[]): void {
    const log = this.#feed.log
    const { bytes } = this.encoder.encode(entries.map((entry) => ({ log, entry })))
    this.#hand(bytes, entries.at(-1)?.offset ?? this.#position)
  }

  #goLive(): void {
    this.#feed.begin(this.#position)
    this.#enter('live')
    if (this.#begun) return
    this.#begun = true
    this.#events.live?.()
  }

  /** Nothing is queued: the log keeps what comes, until the outbox has drained. */
  #wait(): void {
    this.#enter('behind')
    this.#forgetDrain ??= this.recipient.onDrain(() => {
      if (this.#phase !== 'behind' || !this.recipient.hasRoom) return
      this.#enter('reading')
      void this.#read()
    })
  }

  #enter(to: Phase): void {
    const allowed: readonly Phase[] = next[this.#phase]
    assert(allowed.includes(to), `subscription: ${this.#phase} → ${to}`)
    this.#phase = to
  }
}

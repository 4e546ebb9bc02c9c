// Logs as services use them: append and it goes live, join and nothing falls between what was missed and what comes.
// Owns ids, times and the feeds of this node; the store owns the truth. Nodes tell each other what they stored: it saves reads,
// and what is lost on the way the store makes good.

import type { IdSource, Position, Recovery } from '@nitka/protocol'
import { type Bus, type BusSubscription, subjectToken } from '../bus.ts'
import { Exchange, jsonPart, readJsonPart } from '../fanout/exchange.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import { Gate } from '../gate.ts'
import type { Clock, Timer } from '../world.ts'
import { Feed, type LiveEntry, type LogMessage } from './feed.ts'
import type { Append, Appended, Entry, LogName, LogState, LogStore, NewEntry } from './log-store.ts'
import { readPageMax, readsMax, readsWaitingMax } from './reading.ts'
import { judge } from './recovery.ts'
import { Subscription, type SubscriptionEvents, type SubscriptionTools } from './subscription.ts'
import { Sweep } from './sweep.ts'
import { readToldEntry, toldEntry } from './told-entry.ts'

/** How long receivers are kept when a store on another machine does not answer. */
const storeAwayMs = 30_000

/** What a part between nodes holds: an entry, or the offset of one that is too large for it. */
const entryMark = 0
const offsetMark = 1

/** An entry before it has its id and time. */
export type Draft = Omit<NewEntry, 'id' | 'time'>

export interface DraftAppend {
  readonly entries: readonly Draft[]
  readonly clientId?: string
}

export interface Joined {
  readonly recovery: Recovery
  readonly state: LogState
  /** What was missed, oldest first, as much as one answer carries; the rest follows as if it were live. */
  readonly entries: readonly Entry[]
  /** Hands out nothing before `start()`, so that an answer can be sent first. */
  readonly subscription: Subscription
}

interface Receiver {
  readonly recipient: Recipient
  readonly encoder: Encoder<LogMessage>
  readonly events?: SubscriptionEvents
}

export class Log {
  /** Entries appended through this node. */
  appended = 0
  /** Joins by outcome. */
  readonly recoveries = { recovered: 0, trimmed: 0, damaged: 0, 'history-changed': 0, 'never-joined': 0 }
  readonly store: LogStore
  /** What goes to followers on other nodes, and comes from there. */
  readonly exchange: Exchange
  readonly #pulse: Pulse
  readonly #clock: Clock
  readonly #ids: IdSource
  readonly #feeds = new Map<string, { feed: Feed; count: number; hints: BusSubscription }>()
  readonly #gate = new Gate(readsMax, readsWaitingMax)
  readonly #patienceMs: number
  readonly #sweep: Sweep
  readonly #sweeps: Timer | undefined
  readonly #onStored: ((log: LogName, entry: LiveEntry) => void) | undefined

  /**
   * @param options `sweepMs`: how often the store is asked what other nodes stored, 0 where none does
   * @param onStored told of every entry that this node stored, once it is durable. Must not throw
   */
  constructor(
    parts: { store: LogStore; bus: Bus; pulse: Pulse; clock: Clock; ids: IdSource },
    options: { sweepMs: number },
    onStored?: (log: LogName, entry: LiveEntry) => void,
  ) {
    this.#onStored = onStored
    this.store = parts.store
    this.exchange = new Exchange(parts.bus, parts.pulse)
    this.#pulse = parts.pulse
    this.#clock = parts.clock
    this.#ids = parts.ids
    this.#patienceMs = options.sweepMs === 0 ? 0 : storeAwayMs
    const feeds = this.#feeds
    this.#sweep = new Sweep(parts.store, {
      get size() {
        return feeds.size
      },
      of: (log) => feeds.get(keyOf(log))?.feed,
      all: () => feedsOf(feeds.values()),
    })
    const look = (): void => void this.#sweep.look()
    this.#sweeps = options.sweepMs === 0 ? undefined : this.#clock.every(options.sweepMs, look)
  }

  /** How many logs are followed. */
  get followed(): number {
    return this.#feeds.size
  }

  /** Catch-ups that wait for their turn. */
  get readsWaiting(): number {
    return this.#gate.waiting
  }

  /**
   * Stores all or nothing, then lets it go live. Resolves when durable. Order within a log is the order of calls.
   * Entries of one append share their id. Errors as of `LogStore.append`.
   * @param store stores them, with what else belongs to them. Default: the log's store
   */
  async append(
    drafts: readonly DraftAppend[],
    store = (appends: readonly Append[]): Promise<readonly Appended[]> => this.store.append(appends),
  ): Promise<readonly Appended[]> {
    const time = this.#clock.now()
    const appends = drafts.map((draft): Append => {
      const id = this.#ids.next()
      return { ...draft, entries: draft.entries.map((entry) => ({ ...entry, id, time })) }
    })
    const results = await store(appends)
    for (let i = 0; i < results.length; i++) {
      const result = results[i]
      const append = appends[i]
      if (result === undefined || append === undefined || result.repeated) continue
      for (let j = 0; j < append.entries.length; j++) this.#committed(append, j, result.offsets[j] ?? 0)
    }
    return results
  }

  /**
   * Follows a log from what the receiver has seen. Nothing falls between the answer and what comes live: the
   * feed is followed before the log is read.
   */
  async join(log: LogName, since: Position | undefined, receiver: Receiver): Promise<Joined> {
    const { feed, release } = this.#follow(log)
    let subscription: Subscription | undefined
    try {
      const after = Math.max(0, (since?.offset ?? Number.MAX_SAFE_INTEGER) - 1)
      const live = feed.head
      const page = await this.#gate.run(() => this.store.read(log, { after, limit: readPageMax }))
      feed.compare(live, page.state)
      const { recovery, from } = judge(since, page)
      feed.begin(page.state.head, page.state.headId)
      this.recoveries[recovery.recovered ? 'recovered' : recovery.reason]++
      const entries = page.entries.filter(({ offset }) => offset > from)
      const position = Math.max(entries.at(-1)?.offset ?? from, page.more ? 0 : (page.missing.at(-1)?.to ?? 0))
      subscription = new Subscription(feed, position, receiver, this.#tools(release))
      return { recovery, state: page.state, entries, subscription }
    } finally {
      if (subscription === undefined) release()
    }
  }

  /** Follows a log after `offset`, without a verdict: everything after it is handed out as if it were live. */
  follow(log: LogName, offset: number, receiver: Receiver): Subscription {
    const { feed, release } = this.#follow(log)
    return new Subscription(feed, offset, receiver, this.#tools(release))
  }

  /** Somebody has stored entries up to `head`, not by this node. */
  told(log: LogName, head: number): void {
    this.#feeds.get(keyOf(log))?.feed.hint(head)
  }

  /** Compares all followed logs with the store, and lets go live what was missed. One at a time; never rejects. */
  async sweep(): Promise<void> {
    await this.#sweep.compare()
  }

  close(): void {
    this.#sweeps?.cancel()
    for (const { feed, hints } of this.#feeds.values()) {
      hints.cancel()
      feed.close()
    }
    this.#feeds.clear()
  }

  #committed(append: Append, index: number, offset: number): void {
    const draft = append.entries[index]
    if (draft === undefined) return
    this.appended++
    const { log, counts: _counts, ...rest } = draft
    const entry: LiveEntry = {
      ...rest,
      offset,
      ...(append.clientId === undefined ? {} : { clientId: append.clientId }),
    }
    this.#feeds.get(keyOf(log))?.feed.offer(entry)
    this.#onStored?.(log, entry)
    if (!this.exchange.alone) this.#tell(log, entry)
  }

  #tell(log: LogName, entry: LiveEntry): void {
    const whole = toldEntry(entry)
    if (whole === undefined) this.exchange.tell(subjectOf(log), jsonPart(entry.offset), offsetMark)
    else this.exchange.tell(subjectOf(log), whole, entryMark)
  }

  #hear(feed: Feed, data: Uint8Array, mark: number): void {
    if (mark === entryMark) {
      const entry = readToldEntry(data)
      if (entry !== undefined) return feed.hear(entry)
    } else if (mark !== offsetMark) {
      // Of a newer version; the next entry, or the sweep, finds what it tells of.
      return
    } else {
      const offset = readJsonPart(data)
      if (typeof offset === 'number') return feed.hint(offset)
    }
    this.exchange.counts.damaged++
  }

  #tools(onEnd: () => void): SubscriptionTools {
    return { store: this.store, gate: this.#gate, clock: this.#clock, patienceMs: this.#patienceMs, onEnd }
  }

  /** The log's feed, kept until `release`. */
  #follow(log: LogName): { feed: Feed; release: () => void } {
    const key = keyOf(log)
    let known = this.#feeds.get(key)
    if (known === undefined) {
      const feed = new Feed(log, this.store, { pulse: this.#pulse, clock: this.#clock })
      const hints = this.exchange.listen(subjectOf(log), (data, mark) => this.#hear(feed, data, mark))
      known = { feed, count: 0, hints }
      this.#feeds.set(key, known)
    }
    const held = known
    held.count++
    const release = (): void => {
      if (--held.count > 0) return
      held.hints.cancel()
      held.feed.close()
      if (this.#feeds.get(key) === held) this.#feeds.delete(key)
    }
    return { feed: held.feed, release }
  }
}

function* feedsOf(followed: Iterable<{ readonly feed: Feed }>): Generator<Feed> {
  for (const { feed } of followed) yield feed
}

function keyOf(log: LogName): string {
  return `${log.kind}:${log.id}`
}

function subjectOf(log: LogName): string {
  return `log.${log.kind}.${subjectToken(log.id)}`
}

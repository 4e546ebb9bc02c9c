// Logs as services use them: append and it goes live, join and nothing falls between what was missed and what comes.
// Owns ids, times and the feeds of this node; the store owns the truth. A message on the bus only says "look".

import type { IdSource, Position, Recovery } from '@nitka/protocol'
import { type Bus, type BusSubscription, subjectToken } from '../bus.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Encoder, Recipient } from '../fanout/recipient.ts'
import { Gate } from '../gate.ts'
import type { Clock, Timer } from '../world.ts'
import { Feed, type LiveEntry, type LogMessage } from './feed.ts'
import type { Append, Appended, Entry, LogName, LogState, LogStore, NewEntry } from './log-store.ts'
import { readPageMax, readsMax, readsWaitingMax } from './reading.ts'
import { judge } from './recovery.ts'
import { Subscription, type SubscriptionEvents } from './subscription.ts'

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
  readonly #bus: Bus
  readonly #pulse: Pulse
  readonly #clock: Clock
  readonly #ids: IdSource
  readonly #feeds = new Map<string, { feed: Feed; count: number; hints: BusSubscription }>()
  readonly #gate = new Gate(readsMax, readsWaitingMax)
  readonly #sweep: Timer | undefined

  /** @param options `sweepMs`: how often followed logs are compared with the store, 0 where no other node writes */
  constructor(
    parts: { store: LogStore; bus: Bus; pulse: Pulse; clock: Clock; ids: IdSource },
    options: { sweepMs: number },
  ) {
    this.store = parts.store
    this.#bus = parts.bus
    this.#pulse = parts.pulse
    this.#clock = parts.clock
    this.#ids = parts.ids
    this.#sweep = options.sweepMs === 0 ? undefined : this.#clock.every(options.sweepMs, () => void this.sweep())
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
      const page = await this.#gate.run(() => this.store.read(log, { after, limit: readPageMax }))
      const { recovery, from } = judge(since, page)
      feed.begin(page.state.head)
      this.recoveries[recovery.recovered ? 'recovered' : recovery.reason]++
      const entries = page.entries.filter(({ offset }) => offset > from)
      const position = Math.max(entries.at(-1)?.offset ?? from, page.more ? 0 : (page.missing.at(-1)?.to ?? 0))
      const tools = { store: this.store, gate: this.#gate, onEnd: release }
      subscription = new Subscription(feed, position, receiver, tools)
      return { recovery, state: page.state, entries, subscription }
    } finally {
      if (subscription === undefined) release()
    }
  }

  /** Follows a log after `offset`, without a verdict: everything after it is handed out as if it were live. */
  follow(log: LogName, offset: number, receiver: Receiver): Subscription {
    const { feed, release } = this.#follow(log)
    return new Subscription(feed, offset, receiver, { store: this.store, gate: this.#gate, onEnd: release })
  }

  /** Asks the store where the followed logs stand, and lets go live what was missed. */
  async sweep(): Promise<void> {
    const feeds = [...this.#feeds.values()].map(({ feed }) => feed)
    for (let i = 0; i < feeds.length; i += 1_000) {
      const some = feeds.slice(i, i + 1_000)
      const states = await this.store.states(some.map(({ log }) => log)).catch(() => [])
      states.forEach((state, index) => {
        const feed = some[index]
        if (feed?.head !== undefined && state.head > feed.head) void feed.catchUp()
      })
    }
  }

  close(): void {
    this.#sweep?.cancel()
    for (const { hints } of this.#feeds.values()) hints.cancel()
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
    if (!this.#bus.alone) this.#bus.publish(subjectOf(log), Buffer.from(String(offset)))
  }

  /** The log's feed, kept until `release`. */
  #follow(log: LogName): { feed: Feed; release: () => void } {
    const key = keyOf(log)
    let known = this.#feeds.get(key)
    if (known === undefined) {
      const feed = new Feed(log, this.store, this.#pulse)
      const hints = this.#bus.subscribe(subjectOf(log), (bytes) => feed.hint(Number(Buffer.from(bytes).toString())))
      known = { feed, count: 0, hints }
      this.#feeds.set(key, known)
    }
    const held = known
    held.count++
    const release = (): void => {
      if (--held.count > 0) return
      held.hints.cancel()
      if (this.#feeds.get(key) === held) this.#feeds.delete(key)
    }
    return { feed: held.feed, release }
  }
}

function keyOf(log: LogName): string {
  return `${log.kind}:${log.id}`
}

function subjectOf(log: LogName): string {
  return `log.${log.kind}.${subjectToken(log.id)}`
}

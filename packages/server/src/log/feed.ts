// A feed: one log, as far as this node follows it. Owns the order of what goes live: entries leave in offset order,
// without a gap, whoever appended them. Exists while somebody listens. Does not keep entries: who is behind reads the store.

import { Broadcast } from '../fanout/broadcast.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Clock, Timer } from '../world.ts'
import type { Entry, LogName, LogState, LogStore } from './log-store.ts'
import { readPageMax } from './reading.ts'

/** An entry as receivers see it. */
export type LiveEntry = Omit<Entry, 'counted'>

export interface LogMessage {
  readonly log: LogName
  readonly entry: LiveEntry
}

/**
 * An entry that is ahead waits so long for those before it, milliseconds: of two nodes that write to one log, the one often
 * hears of its own entries first. Then the store is asked.
 */
const aheadMs = 20

/** So many entries wait, and so many bytes of them; beyond either the store is asked at once. */
const aheadMax = 256
const aheadBytesMax = 1024 * 1024

/** A store that failed is asked again after that, milliseconds: nobody may ever speak of what it has again. */
const againMs = 2_000

export class Feed {
  readonly log: LogName
  readonly broadcast: Broadcast<LogMessage>
  /** The newest offset that went live here; undefined before anything did. */
  head: number | undefined
  /** Times that the store had to fill a gap. */
  repaired = 0
  /** Times that the store had less than went live here, or something else: what listeners have may be another past than the store's. */
  rewinds = 0
  readonly #onRewind = new Set<() => void>()
  readonly #store: LogStore
  readonly #clock: Clock
  /** Of the entry at `head`, as far as it is known: one read there proves that the past is the same. */
  #headId: string | undefined
  /** Entries beyond a gap, by offset. */
  readonly #ahead = new Map<number, LiveEntry>()
  #aheadBytes = 0
  #patience: Timer | undefined
  #retry: Timer | undefined
  #closed = false
  /** The newest offset that another node spoke of. */
  #told = 0
  #catchingUp: Promise<void> | undefined
  /** Somebody asked while the last page was under way: it may not hold what they meant. */
  #again = false

  constructor(log: LogName, store: LogStore, tools: { pulse: Pulse; clock: Clock }) {
    this.log = log
    this.#store = store
    this.#clock = tools.clock
    this.broadcast = new Broadcast(tools.pulse)
  }

  /** An entry was committed. Out of order or repeated calls are put right, from the store if need be. */
  offer(entry: LiveEntry): void {
    if (this.head === undefined || entry.offset === this.head + 1) {
      this.#goLive(entry)
      this.#goOn()
    } else if (entry.offset > this.head) this.#keep(entry)
    else if (entry.offset === this.head) this.#prove(entry.id)
  }

  /**
   * Another node has committed an entry, and carried it here: on any way, late or twice. It is trusted for what stands at its
   * offset, since nothing else can, until the log's epoch changes; that is seen when somebody joins.
   */
  hear(entry: LiveEntry): void {
    // Where the log stood before is not known yet.
    if (this.head === undefined) this.hint(entry.offset)
    else this.offer(entry)
  }

  /** Another node has stored entries up to `offset`. */
  hint(offset: number): void {
    if (offset > this.#told) this.#told = offset
    if (this.head !== undefined && offset > this.head) void this.catchUp()
  }

  /** What stands up to `head` was read elsewhere; a feed that knows where it stands is not moved. */
  begin(head: number, headId?: string): void {
    if (this.head !== undefined) return
    this.head = head
    this.#headId = headId
    // Told before it was known where to read on.
    if (this.#told > head) void this.catchUp()
  }

  /**
   * The store was asked when `live` had gone live here. When it has less, or something else there, it was restored, or a copy that was
   * behind took its place. What it stores from now on goes live, to those who join from now on.
   */
  compare(live: number | undefined, { head, headId }: Pick<LogState, 'head' | 'headId'>): void {
    if (live === undefined || this.head === undefined || this.head < live) return
    if (head === live && this.head === live) this.#prove(headId)
    if (head >= live) return
    this.#forget()
    this.#told = 0
    this.head = head
    this.#headId = undefined
    this.#rewound()
  }

  /** Calls back at the next rewind, until the returned function is called. */
  onRewind(told: () => void): () => void {
    this.#onRewind.add(told)
    return () => this.#onRewind.delete(told)
  }

  /** Reads what the store has beyond `head` and lets it go live. Resolves when done; never rejects. */
  catchUp(): Promise<void> {
    this.#again = true
    this.#retry?.cancel()
    this.#catchingUp ??= this.#readOn().finally(() => {
      this.#catchingUp = undefined
    })
    return this.#catchingUp
  }

  /** Nobody listens any more. */
  close(): void {
    this.#closed = true
    this.#retry?.cancel()
    this.#forget()
  }

  /** The entry at `head` has this id; '': that is not known. */
  #prove(id: string): void {
    if (id === '' || id === this.#headId) return
    const before = this.#headId
    this.#headId = id
    if (before !== undefined) this.#rewound()
  }

  #rewound(): void {
    this.rewinds++
    for (const told of [...this.#onRewind]) told()
  }

  #goLive(entry: LiveEntry): void {
    this.head = entry.offset
    this.#headId = entry.id
    this.broadcast.publish({ log: this.log, entry }, entry.body.length + 128)
  }

  #keep(entry: LiveEntry): void {
    if (this.#ahead.has(entry.offset)) return
    this.#ahead.set(entry.offset, entry)
    this.#aheadBytes += entry.body.length
    if (this.#ahead.size > aheadMax || this.#aheadBytes > aheadBytesMax) this.#ask()
    else this.#patience ??= this.#clock.after(aheadMs, () => this.#ask())
  }

  /** Lets go live what waited and continues `head`. */
  #goOn(): void {
    if (this.#ahead.size === 0) return
    for (let next = this.#next(); next !== undefined; next = this.#next()) this.#goLive(next)
    for (const [offset, entry] of this.#ahead) if (offset <= (this.head ?? 0)) this.#remove(offset, entry)
    if (this.#ahead.size === 0) this.#forget()
  }

  #next(): LiveEntry | undefined {
    const next = this.#ahead.get((this.head ?? 0) + 1)
    if (next !== undefined) this.#remove(next.offset, next)
    return next
  }

  #remove(offset: number, entry: LiveEntry): void {
    this.#ahead.delete(offset)
    this.#aheadBytes -= entry.body.length
  }

  #ask(): void {
    this.#forget()
    void this.catchUp()
  }

  #forget(): void {
    this.#patience?.cancel()
    this.#patience = undefined
    this.#ahead.clear()
    this.#aheadBytes = 0
  }

  #readLater(): void {
    if (this.#closed) return
    this.#retry?.cancel()
    this.#retry = this.#clock.after(againMs, () => void this.catchUp())
  }

  async #readOn(): Promise<void> {
    for (let first = true; ; first = false) {
      const live = this.head
      if (live === undefined) return
      this.#again = false
      // The entry that went live last is read again: what follows it may follow another one in the store.
      const after = first && this.#headId !== undefined ? live - 1 : live
      const page = await this.#store.read(this.log, { after, limit: readPageMax }).catch(() => undefined)
      // Listeners keep their positions meanwhile.
      if (page === undefined) return this.#readLater()
      this.compare(live, page.state)
      for (const { offset, id } of page.entries.slice(0, 1)) if (offset === this.head) this.#prove(id)
      this.repaired += page.entries.some(({ offset }) => offset > live) ? 1 : 0
      for (const entry of page.entries) {
        if (this.head === undefined || entry.offset > this.head) this.#goLive(entry)
      }
      if (!page.more) {
        const lost = page.missing.at(-1)
        if (lost !== undefined && this.head !== undefined && lost.to > this.head) {
          this.head = lost.to
          this.#headId = undefined
        }
        this.#goOn()
        if (!this.#again) return
      }
    }
  }
}

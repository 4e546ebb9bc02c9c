// A feed: one log, as far as this node follows it. Owns the order of what goes live: entries leave in offset order,
// without a gap, whoever appended them. Exists while somebody listens. Does not keep entries: who is behind reads the store.

import { Broadcast } from '../fanout/broadcast.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Entry, LogName, LogStore } from './log-store.ts'
import { readPageMax } from './reading.ts'

/** An entry as receivers see it. */
export type LiveEntry = Omit<Entry, 'counted'>

export interface LogMessage {
  readonly log: LogName
  readonly entry: LiveEntry
}

export class Feed {
  readonly log: LogName
  readonly broadcast: Broadcast<LogMessage>
  /** The newest offset that went live here; undefined before anything did. */
  head: number | undefined
  /** Times that the store had to fill a gap. */
  repaired = 0
  readonly #store: LogStore
  /** The newest offset that another node spoke of. */
  #told = 0
  #catchingUp: Promise<void> | undefined
  /** Somebody asked while the last page was under way: it may not hold what they meant. */
  #again = false

  constructor(log: LogName, store: LogStore, pulse: Pulse) {
    this.log = log
    this.#store = store
    this.broadcast = new Broadcast(pulse)
  }

  /** An entry was committed. Out of order or repeated calls are put right from the store. */
  offer(entry: LiveEntry): void {
    if (this.head !== undefined && entry.offset <= this.head) return
    if (this.head !== undefined && entry.offset > this.head + 1) {
      void this.catchUp()
      return
    }
    this.head = entry.offset
    this.broadcast.publish({ log: this.log, entry }, entry.body.length + 128)
  }

  /** Another node has stored entries up to `offset`. */
  hint(offset: number): void {
    if (offset > this.#told) this.#told = offset
    if (this.head !== undefined && offset > this.head) void this.catchUp()
  }

  /** What stands up to `head` was read elsewhere; a feed that knows where it stands is not moved. */
  begin(head: number): void {
    if (this.head !== undefined) return
    this.head = head
    // Told before it was known where to read on.
    if (this.#told > head) void this.catchUp()
  }

  /** Reads what the store has beyond `head` and lets it go live. Resolves when done; never rejects. */
  catchUp(): Promise<void> {
    this.#again = true
    this.#catchingUp ??= this.#readOn().finally(() => {
      this.#catchingUp = undefined
    })
    return this.#catchingUp
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const after = this.head
      if (after === undefined) return
      this.#again = false
      const page = await this.#store.read(this.log, { after, limit: readPageMax }).catch(() => undefined)
      // A store that fails is asked again by the next hint or sweep; listeners keep their positions meanwhile.
      if (page === undefined) return
      this.repaired += page.entries.length > 0 ? 1 : 0
      for (const entry of page.entries) {
        if (this.head !== undefined && entry.offset <= this.head) continue
        this.head = entry.offset
        this.broadcast.publish({ log: this.log, entry }, entry.body.length + 128)
      }
      if (!page.more) {
        const lost = page.missing.at(-1)
        if (lost !== undefined && this.head !== undefined && lost.to > this.head) this.head = lost.to
        if (!this.#again) return
      }
    }
  }
}

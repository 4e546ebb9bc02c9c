// Work in the background, in small pieces through the committer: forgets client ids when their window is over, and removes
// what trims left behind. A crash in between costs nothing: both find their work on the disk again.

import type { Clock, Timer } from '../../world.ts'
import { readRemembered } from './append.ts'
import type { Committer } from './committer.ts'
import { type Draft, type Operation, readExpiring, type Slot } from './draft.ts'
import { beyond, justAfter, key, ordered, readLogName, spaces } from './keys.ts'
import { LogHead } from './log-heads.ts'
import type { Reader } from './reader.ts'
import { Parts, readEntry } from './values.ts'

const everyMs = 10_000
const piece = 500

export class Sweep {
  readonly #committer: Committer
  readonly #reader: Reader
  readonly #clock: Clock
  readonly #dedupeWindowMs: number
  readonly #timer: Timer
  #running: Promise<void> | undefined
  #again = false
  #closed = false

  constructor(committer: Committer, reader: Reader, clock: Clock, dedupeWindowMs: number) {
    this.#committer = committer
    this.#reader = reader
    this.#clock = clock
    this.#dedupeWindowMs = dedupeWindowMs
    this.#timer = clock.every(everyMs, () => this.start())
  }

  /** Begins a round, or another one after the one that runs. */
  start(): void {
    if (this.#closed) return
    this.#again = true
    this.#running ??= this.#rounds()
  }

  /** Resolves when what was started is done. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Ends after the piece under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer.cancel()
    await this.#running
  }

  async #rounds(): Promise<void> {
    try {
      while (this.#again && !this.#closed) {
        this.#again = false
        await this.#expire()
        await this.#removeTrimmed()
      }
    } catch {
      // The store failed or is closing, which its health tells; or one record is damaged: the next round tries again.
    }
    this.#running = undefined
  }

  /** One list at a time: what one batch stored, one batch forgets. */
  async #expire(): Promise<void> {
    const end = this.#clock.now() - this.#dedupeWindowMs
    while (end > 0 && !this.#closed) {
      const list = await this.#reader.view(async (view) => {
        const [row] = await view.rows({ from: spaces.expiry, to: key(spaces.expiry, ordered(end)), limit: 1 })
        // A damaged list leaves its records behind: they count as absent all the same.
        return row === undefined
          ? undefined
          : { at: row[0], keys: readExpiring(view.opened(...row) ?? Buffer.alloc(0)) }
      })
      if (list === undefined) return
      await this.#committer.submit(new ExpireOperation(list, end))
    }
  }

  async #removeTrimmed(): Promise<void> {
    let from: Buffer = spaces.trim
    while (!this.#closed) {
      const [row] = await this.#reader.view((view) => view.rows({ from, to: beyond(spaces.trim), limit: 1 }))
      if (row === undefined) return
      const log = new LogHead(readLogName(row[0], spaces.trim.length))
      while (!this.#closed && (await this.#removePiece(log))) {
        // Piece by piece, so that appends get in between.
      }
      from = justAfter(row[0])
    }
  }

  /** True: there may be more. */
  async #removePiece(log: LogHead): Promise<boolean> {
    const found = await this.#reader.view(async (view) => {
      const body = await view.body(log.key)
      if (body === undefined) return { keys: [], first: 1 }
      const first = new Parts(body).number()
      const rows = await view.rows({ from: log.entryPrefix, to: log.entryKey(first), limit: piece })
      const keys: Buffer[] = []
      for (const [at, value] of rows) {
        keys.push(at)
        const opened = view.opened(at, value)
        const thread = opened === undefined ? undefined : readEntry(opened, 0).thread
        if (thread === undefined) continue
        const name = Buffer.from(thread)
        keys.push(key(spaces.thread, log.bytes, Buffer.from([name.length]), name, at.subarray(at.length - 6)))
      }
      return { keys, first }
    })
    return this.#committer.submit(new RemoveOperation(log, found))
  }
}

/** Forgets client ids whose window is over. */
class ExpireOperation implements Operation<void> {
  readonly bytes: number
  readonly essential = true
  readonly #list: { readonly at: Buffer; readonly keys: readonly Buffer[] }
  readonly #end: number
  #slots: readonly Slot[] = []

  constructor(list: { readonly at: Buffer; readonly keys: readonly Buffer[] }, end: number) {
    this.#list = list
    this.#end = end
    this.bytes = list.keys.length * 100
  }

  ask(draft: Draft): void {
    this.#slots = this.#list.keys.map((each) => draft.slot(each))
  }

  plan(draft: Draft): void {
    draft.deleteKey(this.#list.at)
    for (const slot of this.#slots) {
      // Stored again since, the id stands in a later list; damaged, it can only be forgotten.
      const body = slot.damaged ? undefined : slot.body
      if (body === undefined || readRemembered(body).stored < this.#end) draft.delete(slot)
    }
  }
}

/** Removes trimmed entries; without any, the note that there are some. */
class RemoveOperation implements Operation<boolean> {
  readonly bytes: number
  readonly essential = true
  readonly #log: LogHead
  readonly #found: { readonly keys: readonly Buffer[]; readonly first: number }
  #head: LogHead | undefined

  constructor(log: LogHead, found: { readonly keys: readonly Buffer[]; readonly first: number }) {
    this.#log = log
    this.#found = found
    this.bytes = found.keys.length * 60
  }

  ask(draft: Draft): void {
    this.#head = draft.log(this.#log.name)
  }

  plan(draft: Draft): boolean {
    for (const each of this.#found.keys) draft.deleteKey(each)
    if (this.#found.keys.length > 0) return true
    if (this.#head !== undefined && this.#head.first > this.#found.first) return true // Trimmed further meanwhile.
    draft.deleteKey(key(spaces.trim, this.#log.bytes))
    return false
  }
}

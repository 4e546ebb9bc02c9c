// A followed log: a room, or one's own inbox. Owns the position, so that every entry is handed on once, in order, over any
// number of connections, and what cannot be had is told, not passed over in silence.

import type { Missing, Position } from '@nitka/protocol'
import { NitkaError } from './errors.ts'
import type { Line } from './line.ts'
import { type Placed, type ReadAfter, Reader } from './reader.ts'

/** An entry of a log. */
export interface LogEntry extends Placed {
  readonly id: string
}

/** What a join or a resume answers. */
export interface Joined<Entry> {
  readonly recovered: boolean
  readonly reason?: Missing['reason']
  readonly missing?: readonly Missing[]
  readonly epoch: string
  readonly head: number
  readonly headId: string
  readonly first: number
  /** Everything after this offset follows, when the server chose where to begin. */
  readonly from?: number
  readonly entries: readonly Entry[]
}

/** Offsets that will never be handed out, both ends included, and why. */
export type Gap = Missing

export interface FollowerTools<Entry, Answer extends Joined<Entry>> {
  /**
   * Asks the server to follow, from a position on. Of this connection only. `answered` is called at once: entries may come
   * in the same moment as the answer.
   */
  readonly join: (since: Position | undefined, answered: (answer: Answer) => void) => Promise<unknown>
  /** It was answered; told before the first entry. */
  readonly joined: (answer: Answer, again: boolean) => void
  readonly gap: (gap: Gap) => void
  /** The server does not let it follow any more. */
  readonly refused: (error: NitkaError) => void
  readonly readAfter: ReadAfter<Entry>
}

export class Follower<Entry extends LogEntry, Answer extends Joined<Entry>> {
  readonly #line: Line
  readonly #tools: FollowerTools<Entry, Answer>
  readonly #readers = new Set<Reader<Entry>>()
  #position: Position | undefined
  /** Ranges that the server said will not come, not passed yet. */
  #missing: Missing[] = []
  #joining = false
  #joinedOnce = false
  #closed = false
  #cancelAgain: (() => void) | undefined
  readonly #first: Promise<void>
  #settleFirst: { resolve: () => void; reject: (error: NitkaError) => void } | undefined

  /** @param since undefined: from now on */
  constructor(line: Line, since: Position | undefined, tools: FollowerTools<Entry, Answer>) {
    this.#line = line
    this.#position = since
    this.#tools = tools
    this.#first = new Promise((resolve, reject) => {
      this.#settleFirst = { resolve, reject }
    })
    // Whoever waits for it is told.
    this.#first.catch(() => undefined)
  }

  /** The last entry that was handed on. */
  get position(): Position | undefined {
    return this.#position
  }

  /** Resolves at the first answer of the server. */
  get first(): Promise<void> {
    return this.#first
  }

  /** The line is live again. */
  resume(): void {
    if (this.#closed) return
    this.#joining = false
    void this.#join()
  }

  /** An entry came. */
  receive(entry: Entry): void {
    // What comes before the answer comes after it again.
    if (this.#closed || this.#joining || this.#position === undefined) return
    this.#skipMissing()
    const { offset } = this.#position
    if (entry.offset <= offset) return
    if (entry.offset > offset + 1) return void this.#join()
    this.#accept(entry)
    this.#skipMissing()
  }

  /** Entries will not come. */
  missing(ranges: readonly Missing[]): void {
    this.#missing.push(...ranges)
    if (!this.#joining) this.#skipMissing()
  }

  /**
   * A reader of its own.
   * @param after it begins after this offset; undefined: with what comes from now on
   */
  reader(after?: number): Reader<Entry> {
    const head = this.#position?.offset ?? 0
    const reader = new Reader<Entry>(this.#tools.readAfter, after ?? head, head)
    this.#readers.add(reader)
    return reader
  }

  release(reader: Reader<Entry>): void {
    this.#readers.delete(reader)
    reader.end()
  }

  close(error?: NitkaError): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelAgain?.()
    for (const reader of this.#readers) reader.end(error)
    this.#readers.clear()
    this.#settleFirst?.reject(error ?? new NitkaError('closed', 'it was left before it was joined'))
  }

  async #join(): Promise<void> {
    if (this.#closed || this.#joining) return
    this.#joining = true
    const { session } = this.#line.hello ?? {}
    const current = (): boolean => !this.#closed && session !== undefined && this.#line.hello?.session === session
    try {
      await this.#tools.join(this.#position, (answer) => {
        if (!current()) return
        this.#joining = false
        this.#take(answer)
      })
    } catch (thrown) {
      if (!current()) return
      this.#joining = false
      const error = thrown as NitkaError
      if (error.retry) this.#cancelAgain = this.#line.again(() => void this.#join())
      else {
        this.#settleFirst?.reject(error)
        this.#tools.refused(error)
      }
    }
  }

  #take(answer: Answer): void {
    const { epoch, head, headId, from, reason, missing = [], entries } = answer
    const known = this.#position
    const start = known === undefined || reason === 'history-changed'
    if (start) {
      const offset = from ?? head
      this.#position = { epoch, offset, ...(offset === head && headId !== '' ? { id: headId } : {}) }
      for (const reader of this.#readers) reader.reset(offset)
    } else this.#position = { ...known, epoch }
    const { offset } = this.#position
    this.#missing = missing.filter(({ to }) => to > offset)
    const again = this.#joinedOnce
    this.#joinedOnce = true
    this.#tools.joined(answer, again)
    if (reason === 'history-changed') for (const gap of missing) this.#tools.gap(gap)
    for (const entry of entries) this.receive(entry)
    this.#skipMissing()
    this.#settleFirst?.resolve()
    this.#settleFirst = undefined
  }

  #accept(entry: Entry): void {
    const { epoch } = this.#position ?? {}
    this.#position = { ...(epoch === undefined ? {} : { epoch }), offset: entry.offset, id: entry.id }
    for (const reader of this.#readers) reader.push(entry)
  }

  #skipMissing(): void {
    for (let gap = this.#nextGap(); gap !== undefined; gap = this.#nextGap()) {
      const { epoch } = this.#position ?? {}
      this.#position = { ...(epoch === undefined ? {} : { epoch }), offset: gap.to }
      for (const reader of this.#readers) reader.skip(gap.to)
      this.#tools.gap(gap)
    }
  }

  /** The missing range that begins right after the position. */
  #nextGap(): Missing | undefined {
    const { offset } = this.#position ?? { offset: 0 }
    this.#missing = this.#missing.filter(({ to }) => to > offset)
    const gap = this.#missing.find(({ from }) => from <= offset + 1)
    return gap && { ...gap, from: offset + 1 }
  }
}

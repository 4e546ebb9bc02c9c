// One reader's way through a log: what comes is kept for it up to a bound; past that it reads the log instead. So a slow
// reader costs a bounded memory and misses nothing.

import type { NitkaError } from './errors.ts'

/** Something with a place in a log. */
export interface Placed {
  readonly offset: number
}

/** A page of entries after an offset, oldest first. `next` null: there are no more. */
export type ReadAfter<Entry> = (
  after: number,
  signal: AbortSignal | undefined,
) => Promise<{ readonly messages: readonly Entry[]; readonly next: number | null }>

const keptMax = 1_000

export class Reader<Entry extends Placed> {
  readonly #readAfter: ReadAfter<Entry>
  #kept: Entry[] = []
  /** Everything up to here was handed out or is kept. */
  #position: number
  /** The newest that is known of. */
  #head: number
  #behind: boolean
  #ended = false
  #error: NitkaError | undefined
  #wake: (() => void) | undefined
  /** Ends the wait for a page. */
  #leave: (() => void) | undefined
  /** Called at once when a live entry is kept, so that whoever can take it does so before anything that came after it. */
  onKept: (() => void) | undefined

  /**
   * @param position it begins after this
   * @param head the newest that there is; greater than `position` when the log is to be read first
   */
  constructor(readAfter: ReadAfter<Entry>, position: number, head: number) {
    this.#readAfter = readAfter
    this.#position = position
    this.#head = head
    this.#behind = head > position
  }

  /** The next live entry of the log, in order. */
  push(entry: Entry): void {
    this.#head = Math.max(this.#head, entry.offset)
    if (!this.#behind && this.#kept.length >= keptMax) this.#behind = true
    // A page of the log may have brought it before; or the reader begins later.
    if (!this.#behind && entry.offset > this.#position) {
      this.#keep(entry)
      this.onKept?.()
    }
    this.#stir()
  }

  /** What lies before is not to be had: it goes on after `offset`. */
  skip(offset: number): void {
    this.#head = Math.max(this.#head, offset)
    if (!this.#behind) this.#position = Math.max(this.#position, offset)
  }

  /** The log has another past: what was not handed out yet is not of it. */
  reset(offset: number): void {
    this.#kept = []
    this.#position = offset
    this.#head = offset
    this.#behind = false
  }

  /** The log cannot be read: it goes on with what comes. */
  giveUp(): void {
    this.#position = Math.max(this.#position, this.#head)
    this.#behind = false
  }

  /** @param error what a waiting reader is told; undefined: it is simply over */
  end(error?: NitkaError): void {
    this.#ended = true
    this.#error = error
    this.#stir()
    this.#leave?.()
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The next entry, when it is here already. */
  take(): Entry | undefined {
    return this.#kept.shift()
  }

  /** The next entry, when it comes; undefined at the end. @throws NitkaError of the reading */
  async next(signal?: AbortSignal): Promise<Entry | undefined> {
    while (await this.ready(signal)) {
      const entry = this.take()
      if (entry !== undefined) return entry
    }
    return undefined
  }

  /** True when there is an entry to take, false at the end. @throws NitkaError of the reading */
  async ready(signal?: AbortSignal): Promise<boolean> {
    for (;;) {
      if (this.#kept.length > 0) return true
      if (this.#error !== undefined) throw this.#error
      if (this.#ended || signal?.aborted) return false
      if (this.#behind) await this.#read(signal)
      else await this.#stirred(signal)
    }
  }

  async #read(signal: AbortSignal | undefined): Promise<void> {
    const from = this.#position
    const knownHead = this.#head
    const asked = this.#readAfter(from, signal).catch((error: unknown) => {
      if (!this.#ended && !signal?.aborted) throw error
    })
    // Without a connection it may not be answered for long.
    const left = new Promise<undefined>((resolve) => {
      this.#leave = () => resolve(undefined)
    })
    const page = await Promise.race([asked, left])
    if (page === undefined) return
    const { messages, next } = page
    // It was set elsewhere meanwhile.
    if (this.#position !== from || !this.#behind || this.#ended) return
    for (const entry of messages) if (entry.offset > this.#position) this.#keep(entry)
    // What was there before the question and did not come is not to be had. What came since is read next.
    this.#position = Math.max(this.#position, next ?? knownHead)
    this.#behind = this.#position < this.#head
  }

  #keep(entry: Entry): void {
    this.#kept.push(entry)
    this.#position = entry.offset
  }

  #stir(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #stirred(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done)
        resolve()
      }
      this.#wake = done
      signal?.addEventListener('abort', done, { once: true })
    })
  }
}

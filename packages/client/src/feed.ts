// Entries of a followed log as an application takes them: by listeners, or by `for await`, each at its own pace.

import type { OnError } from './emitter.ts'
import { endable } from './endable.ts'
import type { Placed, Reader } from './reader.ts'
import type { World } from './world.ts'

/** Where a loop over messages begins, and what ends it. */
export interface MessagesOptions {
  /**
   * Begins after this offset. Absent: the first who listens, or loops, gets what has waited for that; others begin with
   * what comes from now on.
   */
  readonly since?: number
  /** Ends the iteration. */
  readonly signal?: AbortSignal
}

export interface FeedTools<Entry> {
  /** Hands it to the listeners. */
  readonly emit: (entry: Entry) => void
  /** How many there are. Entries are kept until there is one. */
  readonly listeners: () => number
  /** An entry was handed out, and the application came back for the next one. */
  readonly handled?: (entry: Entry) => void
  /** Told when the log cannot be read: what lies there does not reach the listeners. */
  readonly onError: OnError
}

/** A followed log, as its readers see it. */
interface Followed<Entry extends Placed> {
  reader(after?: number): Reader<Entry>
  release(reader: Reader<Entry>): void
}

const againMs = 1_000

export class Feed<Entry extends Placed> {
  readonly #follower: Followed<Entry>
  readonly #tools: FeedTools<Entry>
  readonly #world: World
  #reader: Reader<Entry>
  #running = false
  /** Somebody has begun to take what waited. */
  #begun = false
  #cancelAgain: (() => void) | undefined

  constructor(follower: Followed<Entry>, tools: FeedTools<Entry>, world: World) {
    this.#follower = follower
    this.#tools = tools
    this.#world = world
    this.#reader = this.#listenersReader()
  }

  /** The listeners' entries begin after this offset. */
  begin(after: number): void {
    this.#follower.release(this.#reader)
    this.#reader = this.#listenersReader(after)
    void this.listened()
  }

  /** There is a listener. */
  async listened(): Promise<void> {
    if (this.#running) return
    this.#running = true
    while (this.#tools.listeners() > 0) {
      this.#begun = true
      const reader = this.#reader
      this.#handOut(reader)
      if (!(await this.#ready(reader)) && reader === this.#reader) break
    }
    this.#running = false
  }

  messages(options: MessagesOptions): AsyncGenerator<Entry, void, undefined> {
    const place: { reader?: Reader<Entry> } = {}
    return endable(this.#messages(place, options), () => place.reader?.end())
  }

  async *#messages(
    place: { reader?: Reader<Entry> },
    { since, signal }: MessagesOptions,
  ): AsyncGenerator<Entry, void, undefined> {
    const reader = since === undefined ? this.#next() : this.#follower.reader(since)
    place.reader = reader
    try {
      for (;;) {
        const entry = await reader.next(signal)
        if (entry === undefined) return
        yield entry
        this.#tools.handled?.(entry)
      }
    } finally {
      this.#follower.release(reader)
    }
  }

  /** It is over: nothing is tried again. */
  end(): void {
    this.#cancelAgain?.()
  }

  /** A reader for a loop: the first one takes what has waited. */
  #next(): Reader<Entry> {
    if (this.#begun) return this.#follower.reader()
    this.#begun = true
    const reader = this.#reader
    reader.onKept = undefined
    this.#reader = this.#listenersReader()
    return reader
  }

  /** Listeners hear of an entry while it is received: other events of its log come in the order in which they were sent. */
  #listenersReader(after?: number): Reader<Entry> {
    const reader = this.#follower.reader(after)
    reader.onKept = () => this.#handOut(reader)
    return reader
  }

  #handOut(reader: Reader<Entry>): void {
    while (reader === this.#reader && this.#tools.listeners() > 0) {
      const entry = reader.take()
      if (entry === undefined) return
      this.#tools.emit(entry)
      this.#tools.handled?.(entry)
    }
  }

  /** Listeners have no way to hear of an error: what may pass is tried again, what may not is passed over. */
  async #ready(reader: Reader<Entry>): Promise<boolean> {
    for (;;) {
      try {
        return await reader.ready()
      } catch (error) {
        if (reader.ended) return false
        if (!(error as { retry?: boolean }).retry) {
          this.#tools.onError(error)
          reader.giveUp()
          continue
        }
        await new Promise<void>((resolve) => {
          this.#cancelAgain = this.#world.after(againMs, resolve)
        })
      }
    }
  }
}

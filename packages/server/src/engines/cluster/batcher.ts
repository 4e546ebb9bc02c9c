// Group commit: what is asked while a statement is under way goes together into the next one. So a node has one statement of
// a kind under way, what is asked first is done first, and a busy node pays one round trip for many.

import { type Backlog, lateMs, tooLate, tooMuch } from '../backlog.ts'

interface Waiting<Item, Result> {
  readonly item: Item
  readonly weight: number
  /** Monotonic. */
  readonly since: number
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

export interface BatcherLimits {
  /** Items in one statement. */
  readonly itemsMax: number
  /** Weight of them: bytes, say. A heavier item goes alone. */
  readonly weightMax: number
  /** Weight that may wait; more is refused with `overloaded`. */
  readonly waitingMax: number
}

/** Where the weight is bytes that senders should be held back for. */
export interface Shared {
  readonly backlog: Backlog
  /** Monotonic. */
  readonly now: () => number
  /** Nothing is refused for having waited for too long, and there is room where nothing new is taken. */
  readonly essential?: boolean
}

export class Batcher<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly (Result | Promise<Result> | Error)[]>
  readonly #limits: BatcherLimits
  readonly #shared: Shared | undefined
  #waiting: Waiting<Item, Result>[] = []
  #weight = 0
  #running: Promise<void> | undefined

  /**
   * @param run gives a result, or why there is none, for each item, or the promise of one that is late; what it throws is of all of them
   * @param shared counts what waits there too; what has waited for too long is refused
   */
  constructor(
    run: (items: readonly Item[]) => Promise<readonly (Result | Promise<Result> | Error)[]>,
    limits: BatcherLimits,
    shared?: Shared,
  ) {
    this.#run = run
    this.#limits = limits
    this.#shared = shared
  }

  /** Weight of what waits. */
  get weight(): number {
    return this.#weight
  }

  /** @throws NitkaError `overloaded`, and whatever `run` gives */
  submit(item: Item, weight: number): Promise<Result> {
    const full = this.#weight > 0 && this.#weight + weight > this.#limits.waitingMax
    const { backlog, essential = false } = this.#shared ?? {}
    if (full || backlog?.admits(weight, essential) === false) return Promise.reject(tooMuch())
    this.#weight += weight
    backlog?.add(weight)
    const since = this.#shared?.now() ?? 0
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, weight, since, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #drain(): Promise<void> {
    // What is asked in one turn goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      this.#refuseLate()
      const some = this.#take()
      if (some.length === 0) break
      try {
        const results = await this.#run(some.map(({ item }) => item))
        for (const [i, { resolve, reject }] of some.entries()) {
          const result = results[i]
          if (result instanceof Error) reject(result)
          else resolve(result as Result)
        }
      } catch (error) {
        for (const { reject } of some) reject(error)
      }
    }
    // In the same turn: whoever asks again as soon as it is answered must not find it running.
    this.#running = undefined
  }

  #take(): readonly Waiting<Item, Result>[] {
    let weight = 0
    let count = 0
    for (const one of this.#waiting) {
      if (count > 0 && (count >= this.#limits.itemsMax || weight + one.weight > this.#limits.weightMax)) break
      weight += one.weight
      count++
    }
    return this.#shift(count, weight)
  }

  #shift(count: number, weight: number): readonly Waiting<Item, Result>[] {
    this.#weight -= weight
    this.#shared?.backlog.remove(weight, count)
    return this.#waiting.splice(0, count)
  }

  #refuseLate(): void {
    const { now, essential } = this.#shared ?? {}
    if (now === undefined || essential) return
    const latest = now() - lateMs
    let weight = 0
    let count = 0
    for (const one of this.#waiting) {
      if (one.since > latest) break
      weight += one.weight
      count++
    }
    if (count > 0) for (const { reject } of this.#shift(count, weight)) reject(tooLate())
  }
}

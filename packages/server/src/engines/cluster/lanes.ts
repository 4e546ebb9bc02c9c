// Calls of a node go together into one statement, which waits for what it locks: logs, keys of tasks. Somebody else may keep one of
// these locked for long: an application in a transaction of its own. What needs it steps aside, and everything else goes on. Of
// calls that lock the same nothing passes what was asked before.

import { NitkaError } from '@nitka/protocol'
import { type Clock, sleep, type Timer } from '../../world.ts'
import { isLocked, locked } from './failures.ts'

/** How long a statement waits before it is looked for what is locked: nodes have a log for some milliseconds. */
const patienceMs = 300
/** Of one statement, until all of it steps aside. */
const looksMax = 2
/** Of what stepped aside: it is known to be free. */
const asideMs = 50
/** How often is looked whether what stepped aside may go. */
const againMs = 100
/** How long a look at what is locked may take. */
const lookMs = 500
/** None of these takes more of the time of a statement. */
const share = 0.25
/** Calls aside, and what they weigh; more are refused. */
const asideMax = 10_000
const asideWeightMax = 16 * 1024 * 1024
/** Of what stepped aside, in one statement. */
const togetherMax = 1_000
const togetherWeightMax = 4 * 1024 * 1024

interface Aside<Call, Result> {
  readonly call: Call
  readonly locks: readonly string[]
  readonly weight: number
  readonly since: number
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

interface LanesParts<Call, Result> {
  readonly clock: Clock
  /** How long a call stays aside before it is refused, and how long a statement may take. */
  readonly lockedMs: number
  /** What a call locks. */
  readonly locksOf: (call: Call) => readonly string[]
  /** In bytes. */
  readonly weightOf: (call: Call) => number
  /** Which of these somebody else has locked now. */
  readonly look: (locks: ReadonlySet<string>, lookMs: number) => Promise<ReadonlySet<string>>
  /** One statement. @throws NitkaError of all of them */
  readonly store: (calls: readonly Call[], patienceMs: number) => Promise<readonly (Result | Error)[]>
}

export class Lanes<Call extends object, Result> {
  readonly #parts: LanesParts<Call, Result>
  /** In the order of their asking. */
  readonly #aside = new Set<Aside<Call, Result>>()
  #weight = 0
  #timer: Timer | undefined
  #going: Promise<void> | undefined

  constructor(parts: LanesParts<Call, Result>) {
    this.#parts = parts
  }

  /** A result for each call, or the promise of one that steps aside. Never rejects. */
  async store(calls: readonly Call[]): Promise<readonly (Result | Promise<Result> | Error)[]> {
    const results = new Map<Call, Result | Promise<Result> | Error>()
    let rest = this.#setAside(calls, new Set(), results)
    for (let look = 0; rest.length > 0; look++) {
      const failed = await this.#storeAll(rest, results)
      if (failed === undefined) break
      const all = new Set(rest.flatMap(this.#parts.locksOf))
      const seen = isLocked(failed) ? await this.#look(all).catch(() => undefined) : undefined
      // What is locked may be nothing that a call could be told by, a table say: that is not waited for forever.
      if (seen === undefined || look > looksMax) {
        for (const call of rest) results.set(call, failed)
        break
      }
      rest = this.#setAside(rest, look < looksMax ? seen : all, results)
    }
    return calls.map((call) => results.get(call) as Result | Promise<Result> | Error)
  }

  /** Resolves when nothing is aside. */
  async idle(): Promise<void> {
    while (this.#aside.size > 0) {
      await this.#go()
      if (this.#aside.size > 0) await sleep(this.#parts.clock, againMs)
    }
  }

  #look(locks: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    return this.#parts.look(locks, this.#most(lookMs))
  }

  #most(ms: number): number {
    return Math.min(ms, Math.ceil(this.#parts.lockedMs * share))
  }

  /** Why it was not stored; undefined: it was. */
  async #storeAll(
    calls: readonly Call[],
    results: Map<Call, Result | Promise<Result> | Error>,
  ): Promise<Error | undefined> {
    try {
      const stored = await this.#parts.store(calls, this.#most(patienceMs))
      for (const [i, call] of calls.entries()) results.set(call, stored[i] as Result | Error)
      return undefined
    } catch (error) {
      return error as Error
    }
  }

  /** Puts aside what needs these locks, or what is behind something aside. Gives the others. */
  #setAside(
    calls: readonly Call[],
    blocked: ReadonlySet<string>,
    results: Map<Call, Result | Promise<Result> | Error>,
  ): readonly Call[] {
    if (blocked.size === 0 && this.#aside.size === 0) return calls
    const taken = new Set(blocked)
    for (const { locks } of this.#aside) for (const lock of locks) taken.add(lock)
    return calls.filter((call) => {
      const locks = this.#parts.locksOf(call)
      if (!locks.some((lock) => taken.has(lock))) return true
      for (const lock of locks) taken.add(lock)
      results.set(call, this.#stepAside(call, locks))
      return false
    })
  }

  #stepAside(call: Call, locks: readonly string[]): Promise<Result> | Error {
    const weight = this.#parts.weightOf(call)
    if (this.#aside.size >= asideMax || (this.#aside.size > 0 && this.#weight + weight > asideWeightMax)) {
      return new NitkaError('overloaded', 'too much waits for what is locked; nothing of this was done, come back')
    }
    const result = new Promise<Result>((resolve, reject) => {
      const since = this.#parts.clock.monotonic()
      this.#aside.add({ call, locks, weight, since, resolve, reject })
      this.#weight += weight
      this.#soon()
    })
    // It may be refused while those that go on are still being stored: whoever asked is given this after them.
    result.catch(() => undefined)
    return result
  }

  #soon(): void {
    this.#timer ??= this.#parts.clock.after(againMs, () => {
      this.#timer = undefined
      void this.#go().then(() => {
        if (this.#aside.size > 0) this.#soon()
      })
    })
  }

  #go(): Promise<void> {
    this.#going ??= this.#tryAside().finally(() => {
      this.#going = undefined
    })
    return this.#going
  }

  /** What may go goes, in order; what has waited for too long is refused. Never rejects. */
  async #tryAside(): Promise<void> {
    const late = this.#parts.clock.monotonic() - this.#parts.lockedMs
    const refusal = locked()
    for (const one of this.#aside) if (one.since <= late) this.#leave(one, () => one.reject(refusal))
    if (this.#aside.size === 0) return
    const all = new Set([...this.#aside].flatMap(({ locks }) => locks))
    try {
      const free = this.#free(await this.#look(all))
      if (free.length > 0) await this.#storeAside(free)
    } catch {
      // The next time, until it is too late.
    }
  }

  #free(blocked: ReadonlySet<string>): readonly Aside<Call, Result>[] {
    const taken = new Set(blocked)
    const free: Aside<Call, Result>[] = []
    let weight = 0
    for (const one of this.#aside) {
      if (one.locks.some((lock) => taken.has(lock))) {
        // For whatever comes behind.
        for (const lock of one.locks) taken.add(lock)
        continue
      }
      weight += one.weight
      if (free.length === togetherMax || (free.length > 0 && weight > togetherWeightMax)) break
      free.push(one)
    }
    return free
  }

  async #storeAside(some: readonly Aside<Call, Result>[]): Promise<void> {
    let stored: readonly (Result | Error)[]
    try {
      stored = await this.#parts.store(
        some.map(({ call }) => call),
        this.#most(asideMs),
      )
    } catch (error) {
      if (isLocked(error)) return
      for (const one of some) this.#leave(one, () => one.reject(error))
      return
    }
    for (const [i, one] of some.entries()) {
      const result = stored[i]
      this.#leave(one, () => (result instanceof Error ? one.reject(result) : one.resolve(result as Result)))
    }
  }

  #leave(one: Aside<Call, Result>, settle: () => void): void {
    this.#aside.delete(one)
    this.#weight -= one.weight
    settle()
  }
}

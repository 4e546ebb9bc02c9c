// Appends of a node go together into one statement, which waits for the logs that it locks. Somebody else may keep one locked for
// long: an application in a transaction of its own. What needs such a log steps aside, and everything else goes on. Within a
// log nothing passes what was asked before.

import { NitkaError } from '@nitka/protocol'
import type { Append, Appended, LogName } from '../../log/log-store.ts'
import type { Clock, Timer } from '../../world.ts'
import type { Database } from './database.ts'
import { isLocked } from './failures.ts'

/** How long a statement waits before it is looked for what is locked: nodes have a log for some milliseconds. */
const patienceMs = 300
/** Of what stepped aside: it is known to be free. */
const asideMs = 50
/** How often is looked whether what stepped aside may go. */
const againMs = 100
/** Calls aside; more are refused. */
const asideMax = 10_000
const togetherMax = 1_000
const aloneMax = 10

type Call = readonly Append[]
type Stored = readonly Appended[]

interface Aside {
  readonly call: Call
  readonly logs: readonly string[]
  readonly since: number
  readonly resolve: (stored: Stored) => void
  readonly reject: (error: unknown) => void
}

/** Logs that somebody has locked, and that are not there yet. */
interface Seen {
  readonly locked: ReadonlySet<string>
  readonly fresh: ReadonlySet<string>
}

interface LanesParts {
  readonly database: Pick<Database, 'run'>
  readonly clock: Clock
  /** How long a call stays aside before it is refused. */
  readonly lockedMs: number
  /** One statement. @throws NitkaError of all of them */
  readonly store: (calls: readonly Call[], patienceMs: number) => Promise<readonly (Stored | Error)[]>
}

export class AppendLanes {
  readonly #parts: LanesParts
  /** In the order of their asking. */
  #aside: Aside[] = []
  #timer: Timer | undefined
  #going: Promise<void> | undefined

  constructor(parts: LanesParts) {
    this.#parts = parts
  }

  /** A result for each call, or the promise of one that steps aside. Never rejects. */
  async store(calls: readonly Call[]): Promise<readonly (Stored | Promise<Stored> | Error)[]> {
    const results = new Map<Call, Stored | Promise<Stored> | Error>()
    let rest = this.#setAside(calls, new Set(), results)
    for (let look = 0; rest.length > 0; look++) {
      const failed = await this.#storeAll(rest, results)
      if (failed === undefined) break
      const seen = isLocked(failed) ? await this.#look(rest).catch(() => undefined) : undefined
      if (seen === undefined) {
        for (const call of rest) results.set(call, failed)
        break
      }
      const { locked, fresh } = seen
      // What is not there yet somebody else may just be making. Whatever it is, all of it does not wait a third time.
      const blocked = look === 0 && locked.size > 0 ? locked : new Set([...locked, ...fresh])
      rest = this.#setAside(rest, look < 2 ? blocked : new Set(rest.flatMap(logsOf)), results)
    }
    return calls.map((call) => results.get(call) as Stored | Promise<Stored> | Error)
  }

  /** Resolves when nothing is aside. */
  async idle(): Promise<void> {
    while (this.#aside.length > 0) await this.#go()
  }

  /** Why it was not stored; undefined: it was. */
  async #storeAll(
    calls: readonly Call[],
    results: Map<Call, Stored | Promise<Stored> | Error>,
  ): Promise<Error | undefined> {
    try {
      const stored = await this.#parts.store(calls, patienceMs)
      for (const [i, call] of calls.entries()) results.set(call, stored[i] as Stored | Error)
      return undefined
    } catch (error) {
      return error as Error
    }
  }

  /** Puts aside what needs these logs, or what is behind something aside. Gives the others. */
  #setAside(
    calls: readonly Call[],
    blocked: ReadonlySet<string>,
    results: Map<Call, Stored | Promise<Stored> | Error>,
  ): readonly Call[] {
    if (blocked.size === 0 && this.#aside.length === 0) return calls
    const taken = new Set([...blocked, ...this.#aside.flatMap(({ logs }) => logs)])
    return calls.filter((call) => {
      const logs = logsOf(call)
      if (!logs.some((log) => taken.has(log))) return true
      for (const log of logs) taken.add(log)
      results.set(call, this.#stepAside(call, logs))
      return false
    })
  }

  #stepAside(call: Call, logs: readonly string[]): Promise<Stored> | Error {
    if (this.#aside.length >= asideMax) return new NitkaError('overloaded', 'too much waits for what is locked')
    return new Promise((resolve, reject) => {
      this.#aside.push({ call, logs, since: this.#parts.clock.monotonic(), resolve, reject })
      this.#soon()
    })
  }

  #soon(): void {
    this.#timer ??= this.#parts.clock.after(againMs, () => {
      this.#timer = undefined
      void this.#go().then(() => {
        if (this.#aside.length > 0) this.#soon()
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
    const refusal = new NitkaError('unavailable', 'a transaction in the database keeps this locked; nothing was done')
    for (const one of this.#aside.filter(({ since }) => since <= late)) this.#leave(one, () => one.reject(refusal))
    if (this.#aside.length === 0) return
    try {
      const { free, alone } = this.#sorted(await this.#look(this.#aside.map(({ call }) => call)))
      if (free.length > 0) await this.#storeAside(free)
      for (const one of alone) await this.#storeAside([one])
    } catch {
      // The next time, until it is too late.
    }
  }

  /** What may go together, and what alone: of a log that is not there nobody knows whether it is just being made. */
  #sorted({ locked, fresh }: Seen): { readonly free: readonly Aside[]; readonly alone: readonly Aside[] } {
    const taken = new Set(locked)
    const [free, alone]: [Aside[], Aside[]] = [[], []]
    for (const one of this.#aside) {
      const passes = !one.logs.some((log) => taken.has(log))
      if (passes && !one.logs.some((log) => fresh.has(log))) free.push(one)
      else {
        if (passes && alone.length < aloneMax) alone.push(one)
        // For whatever comes behind.
        for (const log of one.logs) taken.add(log)
      }
      if (free.length === togetherMax) break
    }
    return { free, alone }
  }

  async #storeAside(some: readonly Aside[]): Promise<void> {
    let stored: readonly (Stored | Error)[]
    try {
      stored = await this.#parts.store(
        some.map(({ call }) => call),
        asideMs,
      )
    } catch (error) {
      if (isLocked(error)) return
      for (const one of some) this.#leave(one, () => one.reject(error))
      return
    }
    for (const [i, one] of some.entries()) {
      const result = stored[i]
      this.#leave(one, () => (result instanceof Error ? one.reject(result) : one.resolve(result as Stored)))
    }
  }

  #leave(one: Aside, settle: () => void): void {
    this.#aside = this.#aside.filter((other) => other !== one)
    settle()
  }

  /** Which of the logs of these calls somebody has locked, and which are not there yet. */
  async #look(calls: readonly Call[]): Promise<Seen> {
    const names = new Map(calls.flat().flatMap(({ entries }) => entries.map(({ log }) => [keyOf(log), log])))
    const rows = await this.#parts.database.run<{ key: string; there: boolean; free: boolean }>(
      `with free as materialized (
         select o.no from unnest($2::text[], $3::text[]) as n (kind, id)
           join nitka.logs o on o.kind = n.kind and o.id = n.id for update of o skip locked
       )
       select n.key, o.no is not null as there, exists (select from free f where f.no = o.no) as free
         from unnest($1::text[], $2::text[], $3::text[]) as n (key, kind, id)
         left join nitka.logs o on o.kind = n.kind and o.id = n.id`,
      [[...names.keys()], [...names.values()].map(({ kind }) => kind), [...names.values()].map(({ id }) => id)],
    )
    return {
      locked: new Set(rows.filter(({ there, free }) => there && !free).map(({ key }) => key)),
      fresh: new Set(rows.filter(({ there }) => !there).map(({ key }) => key)),
    }
  }
}

function logsOf(call: Call): readonly string[] {
  return call.flatMap(({ entries }) => entries.map(({ log }) => keyOf(log)))
}

function keyOf({ kind, id }: LogName): string {
  return `${kind}:${id}`
}

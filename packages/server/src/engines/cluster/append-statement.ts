// The appends of one batch as the arguments of `nitka.append`, and its answer as theirs.

import type { Append, Appended, LogName } from '../../log/log-store.ts'
import { otherPayload, payloadHash } from '../append-rules.ts'

/** Types of the arguments, in order. */
const types = [
  'text[], text[]',
  'int[], text[], text[], int[], text[], int[], int[], int[]',
  'int[], text[], bigint[], text[], text[], text[], int[]',
  'interval, int',
]
const casts = types.flatMap((line) => line.split(', ')).map((type, i) => `$${i + 1}::${type}`)

/** `nitka.append` with its arguments as the first parameters of a statement, and how many those are. */
export const appendCall = `nitka.append(${casts.join(', ')})`
export const appendParameters = casts.length

export const appendStatement = `select append, outcome, id, time, offsets from ${appendCall}`

interface AppendRow {
  readonly append: number
  readonly outcome: 'stored' | 'repeated' | 'conflict'
  readonly id: string
  readonly time: number
  readonly offsets: readonly number[]
}

type Column<Value> = Value[]

/** Arguments as columns: a row an append, and a row an entry. */
class Columns {
  readonly logs: [kind: Column<string>, id: Column<string>] = [[], []]
  readonly call: Column<number> = []
  readonly client: Column<string | null> = []
  readonly hash: Column<string> = []
  readonly log: Column<number> = []
  readonly sender: Column<string> = []
  readonly same: Column<number | null> = []
  readonly from: Column<number> = []
  readonly to: Column<number> = []
  readonly entryLog: Column<number> = []
  readonly id: Column<string> = []
  readonly time: Column<number> = []
  readonly entrySender: Column<string> = []
  readonly body: Column<string> = []
  readonly thread: Column<string | null> = []
  readonly counts: Column<number> = []
  readonly #numbers: ReadonlyMap<string, number>
  readonly #last = new Map<string, number>()

  constructor(calls: readonly (readonly Append[])[]) {
    this.#numbers = this.#nameLogs(calls)
    for (const [call, appends] of calls.entries()) for (const append of appends) this.#add(call, append)
  }

  /** In the order of `nitka.append`. */
  get all(): Column<unknown>[] {
    const appends = [this.call, this.client, this.hash, this.log, this.sender, this.same, this.from, this.to]
    const entries = [this.entryLog, this.id, this.time, this.entrySender, this.body, this.thread, this.counts]
    return [...this.logs, ...appends, ...entries]
  }

  #add(call: number, append: Append): void {
    const { entries, clientId } = append
    const [first] = entries
    if (first === undefined) return
    const number = this.call.push(call)
    const log = this.#number(first.log)
    this.client.push(clientId ?? null)
    this.hash.push(clientId === undefined ? '' : payloadHash(append).toString('hex'))
    this.log.push(log)
    this.sender.push(first.sender)
    this.same.push(clientId === undefined ? null : this.#earlier(`${log}\0${first.sender}\0${clientId}`, number))
    this.from.push(this.id.length + 1)
    for (const entry of entries) {
      this.entryLog.push(this.#number(entry.log))
      this.id.push(entry.id)
      this.time.push(entry.time)
      this.entrySender.push(entry.sender)
      this.body.push(entry.body)
      this.thread.push(entry.thread ?? null)
      this.counts.push(entry.counts ? 1 : 0)
    }
    this.to.push(this.id.length)
  }

  #earlier(key: string, number: number): number | null {
    const earlier = this.#last.get(key) ?? null
    this.#last.set(key, number)
    return earlier
  }

  #number(log: LogName): number {
    return this.#numbers.get(keyOf(log)) ?? 0
  }

  /** Distinct, in the order of their bytes, in which everybody locks them. */
  #nameLogs(calls: readonly (readonly Append[])[]): ReadonlyMap<string, number> {
    const logs = new Map<string, LogName>()
    for (const appends of calls) {
      for (const { entries } of appends) for (const { log } of entries) logs.set(keyOf(log), log)
    }
    const sorted = [...logs].sort(([a], [b]) => compareBytes(a, b))
    return new Map(
      sorted.map(([key, { kind, id }]) => {
        this.logs[0].push(kind)
        return [key, this.logs[1].push(id)]
      }),
    )
  }
}

/**
 * One statement for several calls, each all or nothing.
 * @param patienceMs how long it waits for a log that is locked; null: as every statement
 */
export function appendArguments(
  calls: readonly (readonly Append[])[],
  keepMs: number,
  patienceMs: number | null = null,
): unknown[] {
  return [...new Columns(calls).all, `${keepMs} milliseconds`, patienceMs]
}

/** What became of each call: its appends, or the conflict that refused all of them. */
export function appendResults(
  calls: readonly (readonly Append[])[],
  rows: readonly AppendRow[],
): (readonly Appended[] | Error)[] {
  let at = 0
  return calls.map((appends) => {
    const mine = rows.slice(at, at + appends.length)
    at += appends.length
    const refused = mine.findIndex(({ outcome }) => outcome === 'conflict')
    if (refused >= 0) return otherPayload(appends[refused] as Append)
    return mine.map(({ outcome, id, time, offsets }) => ({ repeated: outcome === 'repeated', id, time, offsets }))
  })
}

export type { AppendRow }

function keyOf({ kind, id }: LogName): string {
  return `${kind}\0${id}`
}

/** In the order of UTF-8, as the database sorts; that of strings is another one beyond U+FFFF. */
function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

/** Halves of characters beyond U+FFFF come after all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x2800 : unit
}

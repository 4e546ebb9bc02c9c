// Logs in Postgres. Appends of a turn, and of the time that a statement takes, are one statement; the log's row is locked
// until it is committed, so offsets are consecutive whichever nodes write, and become visible in their order.

import { NitkaError } from '@nitka/protocol'
import type {
  Append,
  Appended,
  Changes,
  Cursor,
  CursorMove,
  Entry,
  LogName,
  LogPage,
  LogState,
  LogStore,
  MissingRange,
  ReadRange,
} from '../../log/log-store.ts'
import type { Clock } from '../../world.ts'
import { checkAppend } from '../append-rules.ts'
import { type Backlog, backlogBytesMax } from '../backlog.ts'
import type { EngineCounters } from '../engine.ts'
import { checkName } from '../names.ts'
import { type AppendRow, appendArguments, appendResults, appendStatement } from './append-statement.ts'
import { Batcher } from './batcher.ts'
import type { Database } from './database.ts'
import { Lanes } from './lanes.ts'

const pageBytesMax = 1024 * 1024
const cursorsMax = 1_000
const numberMax = Number.MAX_SAFE_INTEGER

interface StateRow {
  readonly first: number
  readonly head: number
  readonly head_id: string
  readonly counted: number
}

interface PageRow extends StateRow {
  /** Null: the log has nothing in the range. */
  readonly offset: number | null
  readonly id: string
  readonly time: number
  readonly sender: string
  /** Null: beyond the limits of a page. */
  readonly body: string | null
  readonly thread: string | null
  readonly client_id: string | null
  readonly entry_counted: number
}

interface ChangeRow {
  readonly next_mark: string
  readonly known: boolean
  /** Null: nothing changed. */
  readonly kind: LogName['kind'] | null
  readonly id: string
  readonly head: number
}

export interface LogStoreParts {
  readonly database: Database
  readonly counters: EngineCounters
  readonly epoch: string
  readonly dedupeWindowMs: number
  /** Told how long a commit took. */
  readonly committed: (startedAt: number) => void
  /** Monotonic. */
  readonly now: () => number
  readonly clock: Clock
  /** How long a call waits for a log that somebody else has locked. */
  readonly lockedMs: number
  readonly backlog: Backlog
}

export class ClusterLogStore implements LogStore {
  readonly #parts: LogStoreParts
  readonly #appends: Batcher<readonly Append[], readonly Appended[]>
  readonly #moves: Batcher<readonly CursorMove[], undefined>
  readonly #lanes: Lanes<readonly Append[], readonly Appended[]>

  constructor(parts: LogStoreParts) {
    this.#parts = parts
    const { clock, lockedMs } = parts
    this.#lanes = new Lanes({
      ...{ clock, lockedMs, weightOf, locksOf },
      look: (locks, lookMs) => this.#locked(locks, lookMs),
      store: (calls, patienceMs) => this.#store(calls, patienceMs),
    })
    const most = { itemsMax: 1_000, waitingMax: backlogBytesMax }
    this.#appends = new Batcher((calls) => this.#lanes.store(calls), { ...most, weightMax: 4_194_304 }, parts)
    const { backlog, now } = parts
    const shared = { backlog, now, essential: true }
    this.#moves = new Batcher((calls) => this.#move(calls), { ...most, weightMax: 1_048_576 }, shared)
  }

  async append(appends: readonly Append[]): Promise<readonly Appended[]> {
    if (appends.length === 0) return []
    for (const append of appends) {
      checkAppend(append)
      for (const { log } of append.entries) checkName(log.id, 'log', 128)
    }
    return this.#appends.submit(appends, weightOf(appends))
  }

  async read(log: LogName, range: ReadRange): Promise<LogPage> {
    const { limit, thread } = range
    if (!Number.isInteger(limit) || limit < 1 || limit > 500) {
      throw new NitkaError('invalid', 'limit must be an integer from 1 to 500', { field: 'limit' })
    }
    checkName(log.id, 'log', 128)
    const after = 'after' in range ? Math.max(0, Math.floor(range.after)) : null
    const before = 'before' in range ? Math.min(Math.ceil(range.before), numberMax) : null
    const rows = await this.#parts.database.run<PageRow>('select * from nitka.read($1, $2, $3, $4, $5, $6, $7)', [
      log.kind,
      log.id,
      after,
      before,
      limit,
      thread ?? null,
      pageBytesMax,
    ])
    return this.#page(rows, after, before)
  }

  async states(logs: readonly LogName[]): Promise<readonly LogState[]> {
    if (logs.length === 0) return []
    const rows = await this.#parts.database.run<StateRow>(
      `select coalesce(l.first, 1) as first, coalesce(l.head, 0) as head, coalesce(l.head_id, '') as head_id,
              coalesce(l.counted, 0) as counted
         from unnest($1::text[], $2::text[]) with ordinality as n (kind, id, pos)
         left join nitka.logs l on l.kind = n.kind and l.id = n.id
         order by n.pos`,
      [logs.map(({ kind }) => kind), logs.map(({ id }) => id)],
    )
    return rows.map((row) => this.#state(row))
  }

  async changes(mark: string | undefined, most: number): Promise<Changes> {
    const rows = await this.#parts.database.run<ChangeRow>('select * from nitka.changes($1, $2)', [mark ?? null, most])
    const [{ next_mark: next = '0', known = false } = {}] = rows
    const logs = rows.flatMap(({ kind, id, head }) => (kind === null ? [] : [{ log: { kind, id }, head }]))
    return { mark: next, logs: known ? logs : undefined }
  }

  async find(log: LogName, id: string): Promise<number | undefined> {
    checkName(log.id, 'log', 128)
    const [row] = await this.#parts.database.run<{ offset: number }>(
      `select e."offset" from nitka.logs l join nitka.entries e on e.log = l.no and e."offset" >= l.first
         where l.kind = $1 and l.id = $2 and e.id = $3 limit 1`,
      [log.kind, log.id, id],
    )
    return row?.offset
  }

  async cursors(log: LogName, prefix: string): Promise<readonly Cursor[]> {
    checkName(log.id, 'log', 128)
    return this.#parts.database.run<Cursor>(
      `select name, "offset", time from nitka.cursors
         where kind = $1 and log = $2 and name >= $3 and starts_with(name, $3) order by name limit ${cursorsMax}`,
      [log.kind, log.id, prefix],
    )
  }

  async move(moves: readonly CursorMove[]): Promise<void> {
    if (moves.length === 0) return
    for (const { log, name, offset } of moves) {
      checkName(log.id, 'log', 128)
      checkName(name, 'cursor', 200)
      if (!Number.isSafeInteger(offset) || offset < 0) {
        throw new NitkaError('invalid', 'a cursor stands at an offset: 0 or a positive integer', { field: 'offset' })
      }
    }
    await this.#moves.submit(moves, moves.length * 100)
  }

  async trim(log: LogName, before: number): Promise<void> {
    if (!(before > 1)) return
    checkName(log.id, 'log', 128)
    await this.#parts.database.run(
      `with trimmed as (
         update nitka.logs set first = least($3::bigint, head + 1)
           where kind = $1 and id = $2 and first < least($3::bigint, head + 1) returning no
       )
       insert into nitka.trims (log) select no from trimmed on conflict do nothing`,
      [log.kind, log.id, Math.min(Math.floor(before), numberMax)],
    )
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all([this.#appends.idle(), this.#moves.idle()])
    await this.#lanes.idle()
  }

  async #store(
    calls: readonly (readonly Append[])[],
    patienceMs: number,
  ): Promise<readonly (readonly Appended[] | Error)[]> {
    const { database, counters, dedupeWindowMs, now, committed } = this.#parts
    const startedAt = now()
    const parameters = appendArguments(calls, dedupeWindowMs, patienceMs)
    const rows = await database.run<AppendRow>(appendStatement, parameters as never)
    committed(startedAt)
    for (const { outcome, offsets } of rows) {
      if (outcome === 'stored') counters.appends += offsets.length
      else if (outcome === 'repeated') counters.repeats++
    }
    return appendResults(calls, rows)
  }

  async #locked(locks: ReadonlySet<string>, lookMs: number): Promise<ReadonlySet<string>> {
    const names = [...locks]
    const rows = await this.#parts.database.run<{ pos: number }>(
      'select pos from nitka.locked_logs($1::text[], $2::text[], $3) as pos',
      [
        names.map((name) => name.slice(0, name.indexOf(':'))),
        names.map((name) => name.slice(name.indexOf(':') + 1)),
        lookMs,
      ],
    )
    return new Set(rows.map(({ pos }) => names[pos - 1] as string))
  }

  /** Of several moves of one cursor the farthest counts. */
  async #move(calls: readonly (readonly CursorMove[])[]): Promise<readonly undefined[]> {
    const farthest = new Map<string, CursorMove>()
    for (const move of calls.flat()) {
      const key = `${move.log.kind}\0${move.log.id}\0${move.name}`
      if ((farthest.get(key)?.offset ?? -1) < move.offset) farthest.set(key, move)
    }
    // In one order, so that two nodes never wait for each other.
    const moves = [...farthest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, move]) => move)
    const startedAt = this.#parts.now()
    await this.#parts.database.run(
      `insert into nitka.cursors as c (kind, log, name, "offset", time)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
         on conflict (kind, log, name) do update set "offset" = excluded."offset", time = excluded.time
           where c."offset" < excluded."offset"`,
      [
        moves.map(({ log }) => log.kind),
        moves.map(({ log }) => log.id),
        moves.map(({ name }) => name),
        moves.map(({ offset }) => offset),
        moves.map(({ time }) => time),
      ],
    )
    this.#parts.committed(startedAt)
    return calls.map(() => undefined)
  }

  #page(rows: readonly PageRow[], after: number | null, before: number | null): LogPage {
    const [row] = rows
    if (row === undefined) throw new NitkaError('internal', 'the database answered nothing')
    const state = this.#state(row)
    const found = rows.filter(({ offset }) => offset !== null)
    const entries = found.flatMap((one) => (one.body === null ? [] : [entryOf(one, one.body)]))
    const more = entries.length < found.length
    if (before !== null) entries.reverse()
    return { entries, more, missing: trimmedOf(state, after, before, more), state }
  }

  #state({ first, head, head_id: headId, counted }: StateRow): LogState {
    return { epoch: this.#parts.epoch, first, head, headId, counted }
  }
}

function weightOf(appends: readonly Append[]): number {
  let bytes = 0
  for (const { entries } of appends) for (const { body } of entries) bytes += body.length + 200
  return bytes
}

/** The logs. */
function locksOf(appends: readonly Append[]): readonly string[] {
  return appends.flatMap(({ entries }) => entries.map(({ log }) => `${log.kind}:${log.id}`))
}

function entryOf(row: PageRow, body: string): Entry {
  const { id, time, sender, thread, client_id: clientId, entry_counted: counted } = row
  return {
    ...{ offset: row.offset ?? 0, id, time, sender, body, counted },
    ...(thread === null ? {} : { thread }),
    ...(clientId === null ? {} : { clientId }),
  }
}

/** What lies below the first offset is gone on purpose. */
function trimmedOf(state: LogState, after: number | null, before: number | null, more: boolean): MissingRange[] {
  const from = after === null ? 1 : after + 1
  const to = Math.min(state.first - 1, (before ?? numberMax) - 1)
  // Paging back, it is reached with the last page.
  if (to < from || (before !== null && more)) return []
  return [{ from, to, reason: 'trimmed' }]
}

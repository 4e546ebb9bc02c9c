// The log store of one process. Writing goes through the committer, reading through views; this file puts both behind the
// port and holds the small operations (cursor moves, trims).

import { NitkaError } from '@nitka/protocol'
import type {
  Append,
  Appended,
  Changes,
  Cursor,
  CursorMove,
  LogName,
  LogPage,
  LogState,
  LogStore,
  ReadRange,
} from '../../log/log-store.ts'
import { nameBytes } from '../names.ts'
import { AppendOperation, type AppendRules } from './append.ts'
import type { Committer } from './committer.ts'
import type { Draft, Operation, Slot } from './draft.ts'
import { beyond, key, logBytes, numberMax, spaces } from './keys.ts'
import { LogHead, type LogHeads } from './log-heads.ts'
import { checkAbove, checkLimit, findId, readPage, viewState } from './log-pages.ts'
import type { Reader } from './reader.ts'
import { Parts } from './values.ts'

const cursorsMax = 1_000

export interface LogStoreParts {
  readonly committer: Committer
  readonly reader: Reader
  readonly heads: LogHeads
  readonly epoch: string
  readonly rules: AppendRules
  /** Told that a trim left entries to remove. */
  readonly onTrimmed: () => void
}

export class EmbeddedLogStore implements LogStore {
  readonly #parts: LogStoreParts

  constructor(parts: LogStoreParts) {
    this.#parts = parts
  }

  async append(appends: readonly Append[]): Promise<readonly Appended[]> {
    if (appends.length === 0) return []
    return this.#parts.committer.submit(this.appending(appends))
  }

  /** What `append` submits, for a larger operation. @throws NitkaError `invalid` */
  appending(appends: readonly Append[]): AppendOperation {
    return new AppendOperation(appends, this.#parts.rules)
  }

  async read(name: LogName, range: ReadRange): Promise<LogPage> {
    checkLimit(range.limit, 500)
    const { log, verified } = this.#head(name)
    return this.#parts.reader.view(async (view) => {
      const state = viewState(view, log, this.#parts.epoch, verified)
      // A log not in memory may begin far up: ask before scanning over what was trimmed.
      const first = verified ? (log.state?.first ?? 1) : (await state).first
      return readPage(view, log, range, state, first)
    })
  }

  async states(names: readonly LogName[]): Promise<readonly LogState[]> {
    const { heads, reader, epoch } = this.#parts
    const known = names.map((name) => heads.get(name)?.state)
    if (known.every((state) => state !== undefined)) return known
    const unknown = names.filter((_, i) => known[i] === undefined).map((name) => new LogHead(name))
    const read = await reader.view(async (view) => {
      const values = await view.sealed(unknown.map((log) => log.key))
      for (const [i, log] of unknown.entries()) log.load(values[i], epoch)
      for (const log of unknown) log.check()
      const above = await view.sealed(unknown.map((log) => log.nextKey))
      for (const [i, log] of unknown.entries()) {
        if (above[i] !== undefined && log.state !== undefined) await checkAbove(view, log, log.state)
      }
      return unknown.map((log) => log.state)
    })
    let next = 0
    return known.map((state) => state ?? read[next++] ?? { epoch, first: 1, head: 0, headId: '', counted: 0 })
  }

  /** Nobody else writes to this store, so nobody asks; it keeps no account of it. */
  async changes(): Promise<Changes> {
    return { mark: '', logs: undefined }
  }

  async find(name: LogName, id: string): Promise<number | undefined> {
    const { log, verified } = this.#head(name)
    return this.#parts.reader.view(async (view) => {
      const state = await viewState(view, log, this.#parts.epoch, verified)
      return findId(view, log, state, id)
    })
  }

  async cursors(log: LogName, prefix: string): Promise<readonly Cursor[]> {
    const space = key(spaces.cursor, logBytes(log))
    const from = prefix === '' ? space : key(space, nameBytes(prefix, 'prefix', 200))
    return this.#parts.reader.view(async (view) => {
      const rows = await view.rows({ from, to: beyond(from), limit: cursorsMax })
      return rows.map(([at, value]) => ({
        name: at.toString('utf8', space.length),
        ...readCursor(view.open(at, value)),
      }))
    })
  }

  async move(moves: readonly CursorMove[]): Promise<void> {
    if (moves.length > 0) await this.#parts.committer.submit(new MoveOperation(moves))
  }

  async trim(log: LogName, before: number): Promise<void> {
    if (!(before > 1)) return
    const trimmed = await this.#parts.committer.submit(new TrimOperation(log, Math.min(Math.floor(before), numberMax)))
    if (trimmed) this.#parts.onTrimmed()
  }

  #head(name: LogName): { log: LogHead; verified: boolean } {
    const known = this.#parts.heads.get(name)
    return { log: known ?? new LogHead(name), verified: known?.state !== undefined }
  }
}

function readCursor(body: Buffer): { offset: number; time: number } {
  const parts = new Parts(body)
  return { offset: parts.number(), time: parts.number() }
}

/** Moves cursors, forward only. Essential: a client that confirms lets the store forget. */
class MoveOperation implements Operation<void> {
  readonly bytes: number
  readonly essential = true
  readonly #moves: readonly { readonly move: CursorMove; readonly key: Buffer }[]
  #slots: readonly Slot[] = []

  constructor(moves: readonly CursorMove[]) {
    this.bytes = moves.length * 100
    this.#moves = moves.map((move) => {
      if (!Number.isInteger(move.offset) || move.offset < 0 || move.offset > numberMax) {
        throw new NitkaError('invalid', 'a cursor stands at an offset: 0 or a positive integer', { field: 'offset' })
      }
      return { move, key: key(spaces.cursor, logBytes(move.log), nameBytes(move.name, 'cursor', 200)) }
    })
  }

  ask(draft: Draft): void {
    this.#slots = this.#moves.map((each) => draft.slot(each.key))
  }

  plan(draft: Draft): void {
    for (const slot of this.#slots) void slot.body // Refuses before the first write when one is damaged.
    for (const [i, { move }] of this.#moves.entries()) {
      const slot = this.#slots[i]
      if (slot === undefined) continue
      const { body } = slot
      if (body !== undefined && readCursor(body).offset >= move.offset) continue
      const next = Buffer.alloc(12)
      next.writeUIntBE(move.offset, 0, 6)
      next.writeUIntBE(move.time, 6, 6)
      draft.put(slot, next)
    }
  }
}

/**
 * Moves the log's first offset up. What lies below is gone for every reader then; the sweep removes it from the disk in
 * pieces, and the note left here makes it go on after a restart.
 */
class TrimOperation implements Operation<boolean> {
  readonly bytes = 200
  readonly essential = true
  readonly #log: LogName
  readonly #before: number
  #head: LogHead | undefined

  constructor(log: LogName, before: number) {
    this.#log = log
    this.#before = before
  }

  ask(draft: Draft): void {
    this.#head = draft.log(this.#log)
  }

  plan(draft: Draft): boolean {
    const head = this.#head ?? draft.log(this.#log)
    head.check()
    const first = Math.min(this.#before, head.head + 1)
    if (first <= head.first) return false
    head.first = first
    draft.change(head)
    draft.putKey(key(spaces.trim, head.bytes), Buffer.alloc(0))
    return true
  }
}

// Reading pages: what stands in a range, what should stand there and does not. Offsets are consecutive, so a hole between
// the first and the head is damage, and is told, never skipped.

import { NitkaError } from '@nitka/protocol'
import type { Entry, LogPage, LogState, MissingRange, ReadRange } from '../../log/log-store.ts'
import { nameBytes } from '../names.ts'
import type { Row } from './disk.ts'
import { counted, justAfter, key, lastNumber, numberMax, ordered, spaces } from './keys.ts'
import type { LogHead } from './log-heads.ts'
import { damagedLog, readState } from './log-heads.ts'
import type { ReadView } from './reader.ts'
import { Parts, readEntry } from './values.ts'

const pageBytesMax = 1024 * 1024

/** What a read asks for, both bounds included. */
interface Bounds {
  readonly from: number
  readonly to: number
  readonly limit: number
  readonly upwards: boolean
}

/**
 * The state of a log from the view. `verified`: the log is in memory, so its record was held against its entries before.
 * @throws NitkaError `damaged`
 */
export async function viewState(view: ReadView, log: LogHead, epoch: string, verified: boolean): Promise<LogState> {
  const [value] = await view.sealed([log.key])
  const state = readState(log.key, value, epoch)
  if (state === undefined) throw damagedLog(log.name, 'its state record is damaged')
  if (!verified) await checkAbove(view, log, state)
  return state
}

/** @throws NitkaError `damaged` an entry stands above the head: the state is not the newest that was written */
export async function checkAbove(view: ReadView, log: LogHead, state: LogState): Promise<void> {
  const [above] = await view.sealed([log.entryKey(state.head + 1)])
  if (above !== undefined) throw damagedLog(log.name, 'it holds entries that its state does not know')
}

/** One page. `first`: where the log begins as far as is known, so that a scan does not walk what was trimmed. */
export async function readPage(
  view: ReadView,
  log: LogHead,
  range: ReadRange,
  state: Promise<LogState>,
  first: number,
): Promise<LogPage> {
  const upwards = 'after' in range
  const asked: Bounds = upwards
    ? { from: Math.max(1, Math.floor(range.after) + 1), to: numberMax, limit: range.limit, upwards }
    : { from: 1, to: Math.min(Math.ceil(range.before) - 1, numberMax), limit: range.limit, upwards }
  const early = { ...asked, from: Math.max(asked.from, first) }
  if (range.thread !== undefined) {
    const known = await state
    return finish(asked, known, await threadEntries(view, log, range.thread, clip(asked, known)))
  }
  const [known, rows] = await Promise.all([state, entryRows(view, log, early, undefined)])
  return finish(asked, known, await plainEntries(view, log, clip(asked, known), rows))
}

/** Both ends included, in walking order. */
type Run = readonly [number, number]

/** What was found walking the bounds, in walking order, and how far the walk came. */
interface Walk {
  readonly entries: Entry[]
  /** Offsets passed that cannot be served: runs of them, in walking order. */
  readonly damaged: Run[]
  /** Whether the walk came to the end of its bounds. */
  readonly ended: boolean
}

function clip(asked: Bounds, state: LogState): Bounds {
  return { ...asked, from: Math.max(asked.from, state.first), to: Math.min(asked.to, state.head) }
}

function entryRows(view: ReadView, log: LogHead, bounds: Bounds, resume: number | undefined): Promise<readonly Row[]> {
  const from = bounds.upwards && resume !== undefined ? resume : bounds.from
  const to = !bounds.upwards && resume !== undefined ? resume : bounds.to
  if (from > to) return Promise.resolve([])
  return view.rows({
    from: log.entryKey(from),
    to: justAfter(log.entryKey(to)),
    limit: bounds.limit,
    reverse: !bounds.upwards,
    bytesMax: pageBytesMax,
  })
}

/** Walks the entries themselves. `rows` is the first piece, read before the state was known. */
async function plainEntries(view: ReadView, log: LogHead, bounds: Bounds, rows: readonly Row[]): Promise<Walk> {
  const entries: Entry[] = []
  const damaged: Run[] = []
  const { upwards } = bounds
  const step = upwards ? 1 : -1
  const end = upwards ? bounds.to + 1 : bounds.from - 1
  let expected = upwards ? bounds.from : bounds.to
  let bytes = 0
  const inside = () => expected >= bounds.from && expected <= bounds.to
  const skipTo = (offset: number) => {
    if (inside() && expected !== offset) damaged.push([expected, offset - step])
    expected = offset
  }
  for (let piece = rows; inside(); piece = await entryRows(view, log, bounds, expected)) {
    if (piece.length === 0) {
      skipTo(end)
      break
    }
    for (const [at, value] of piece) {
      const offset = lastNumber(at)
      if (offset < bounds.from || offset > bounds.to) {
        // Beyond the state of this view, or below its first: not part of the page. Nothing inside follows what lies beyond.
        if (upwards ? offset > bounds.to : offset < bounds.from) skipTo(end)
        continue
      }
      if (entries.length >= bounds.limit || bytes > pageBytesMax) return { entries, damaged, ended: false }
      skipTo(offset)
      expected += step
      const body = view.opened(at, value)
      if (body === undefined) damaged.push([offset, offset])
      else entries.push(readEntry(body, offset))
      bytes += at.length + value.length
    }
    if (entries.length >= bounds.limit || bytes > pageBytesMax) break
  }
  return { entries, damaged, ended: !inside() }
}

/** Walks the index of one thread, then gets the entries. */
async function threadEntries(view: ReadView, log: LogHead, thread: string, bounds: Bounds): Promise<Walk> {
  const entries: Entry[] = []
  const damaged: Run[] = []
  if (bounds.from > bounds.to) return { entries, damaged, ended: true }
  const prefix = key(spaces.thread, log.bytes, counted(nameBytes(thread, 'thread', 255)))
  const rows = await view.rows({
    from: key(prefix, ordered(bounds.from)),
    to: justAfter(key(prefix, ordered(bounds.to))),
    limit: bounds.limit + 1,
    reverse: !bounds.upwards,
  })
  let bytes = 0
  let taken = 0
  for (const [at, value] of rows.slice(0, bounds.limit)) {
    if (bytes > pageBytesMax) break
    bytes += value.length === 10 ? new Parts(value).number() : 0
    taken += 1
    if (view.opened(at, value) === undefined) bytes += 1 // The entry itself says whether it can be served.
  }
  const offsets = rows.slice(0, taken).map(([at]) => lastNumber(at))
  const keys = offsets.map((offset) => log.entryKey(offset))
  const values = await view.sealed(keys)
  for (const [i, offset] of offsets.entries()) {
    const [at, value] = [keys[i], values[i]]
    const body = at === undefined || value === undefined ? undefined : view.opened(at, value)
    if (body === undefined) damaged.push([offset, offset])
    else entries.push(readEntry(body, offset))
  }
  return { entries, damaged, ended: taken === rows.length }
}

/** Puts the page together: oldest first, with what is missing. */
function finish(asked: Bounds, state: LogState, walk: Walk): LogPage {
  const entries = asked.upwards ? walk.entries : walk.entries.reverse()
  const missing: MissingRange[] = []
  const trimmedTo = Math.min(asked.to, state.first - 1)
  const sawTrimmed = asked.upwards || walk.ended
  if (sawTrimmed && asked.from <= trimmedTo) missing.push({ from: asked.from, to: trimmedTo, reason: 'trimmed' })
  const runs = walk.damaged.map(([a, b]): Run => [Math.min(a, b), Math.max(a, b)])
  for (const [from, to] of runs.sort(([a], [b]) => a - b)) {
    const last = missing.at(-1)
    if (last?.reason === 'damaged' && last.to === from - 1) missing.splice(-1, 1, { ...last, to })
    else missing.push({ from, to, reason: 'damaged' })
  }
  return { entries, more: !walk.ended, missing, state }
}

/**
 * The offset of the entry with `id`: ids grow within a log, so halving finds it. A damaged entry is stepped over.
 */
export async function findId(view: ReadView, log: LogHead, state: LogState, id: string): Promise<number | undefined> {
  if (state.head >= state.first && state.headId === id) return state.head
  let low = state.first
  let high = state.head
  while (low <= high) {
    const middle = low + Math.floor((high - low) / 2)
    const found = await idAtOrAbove(view, log, middle, high)
    if (found === undefined) high = middle - 1
    else if (found.id === id) return found.offset
    else if (found.id < id) low = found.offset + 1
    else high = middle - 1
  }
  return undefined
}

async function idAtOrAbove(view: ReadView, log: LogHead, from: number, to: number) {
  const steps = 16
  for (let offset = from; offset <= to; offset += steps) {
    const offsets = Array.from({ length: offset === from ? 1 : Math.min(steps, to - offset + 1) }, (_, i) => offset + i)
    const keys = offsets.map((each) => log.entryKey(each))
    const values = await view.sealed(keys)
    for (const [i, each] of offsets.entries()) {
      const [at, value] = [keys[i], values[i]]
      const body = at === undefined || value === undefined ? undefined : view.opened(at, value)
      if (body !== undefined) return { offset: each, id: readEntry(body, each).id }
    }
    if (offset === from) offset += 1 - steps
  }
  return undefined
}

/** @throws NitkaError `invalid` */
export function checkLimit(limit: number, max: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= max) return
  throw new NitkaError('invalid', `limit must be 1 to ${max}`, { field: 'limit' })
}

// The verdict of a join or resume: everything since the client's position follows, or exactly this range is missing
// and why. Pure: from a position and one consistent page of the log.

import type { Missing, Position, Recovery } from '@nitka/protocol'
import type { LogPage, LogState } from './log-store.ts'

export interface Verdict {
  readonly recovery: Recovery
  /** Entries after this offset follow. */
  readonly from: number
}

/**
 * @param since what the client has seen; undefined when it says nothing
 * @param page read from just below `since`, so that it begins with the entry at `since` when there is one
 */
export function judge(since: Position | undefined, page: LogPage): Verdict {
  const { state } = page
  if (since === undefined) return neverJoined(state)
  if (changed(since, page)) {
    return {
      recovery: lost('history-changed', [{ from: 1, to: state.head, reason: 'history-changed' }]),
      from: state.head,
    }
  }
  const missing: Missing[] = []
  if (since.offset + 1 < state.first) missing.push({ from: since.offset + 1, to: state.first - 1, reason: 'trimmed' })
  for (const range of page.missing) {
    const from = Math.max(range.from, since.offset + 1, missing.length > 0 ? state.first : 1)
    if (range.reason === 'damaged' && range.to >= from) missing.push({ ...range, from })
  }
  const [worst] = missing
  return { recovery: worst === undefined ? { recovered: true } : lost(worst.reason, missing), from: since.offset }
}

function lost(reason: Missing['reason'], missing: readonly Missing[]): Recovery {
  return { recovered: false, reason, missing: missing.filter(({ from, to }) => to >= from) }
}

function neverJoined(state: LogState): Verdict {
  if (state.head === 0) return { recovery: { recovered: true }, from: 0 }
  const missing: Missing = { from: state.first, to: state.head, reason: 'never-joined' }
  return { recovery: lost('never-joined', [missing]), from: state.head }
}

/** Whether the log's past is another than the one that the client saw. */
function changed(since: Position, page: LogPage): boolean {
  const { state, entries } = page
  if (since.epoch !== undefined && since.epoch !== state.epoch) return true
  if (since.offset > state.head) return true
  if (since.id === undefined || since.offset < state.first) return false
  const entry = entries.find(({ offset }) => offset === since.offset)
  return entry !== undefined && entry.id !== since.id
}

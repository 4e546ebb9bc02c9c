import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Missing, Position } from '@nitka/protocol'
import type { Entry, LogPage, MissingRange } from './log-store.ts'
import { judge } from './recovery.ts'

/** The page that a join reads for `since`: of a log with entries `first`…`head`, id `i<offset>`, some of them damaged. */
function pageOf(since: Position | undefined, first: number, head: number, damaged: readonly number[] = []): LogPage {
  const entries: Entry[] = []
  const missing: MissingRange[] = []
  const from = Math.max(1, since?.offset ?? Number.MAX_SAFE_INTEGER)
  if (from < first) missing.push({ from, to: first - 1, reason: 'trimmed' })
  for (let offset = Math.max(from, first); offset <= head; offset++) {
    const entry = { offset, id: `i${offset}`, time: 0, sender: 'a', body: '1', counted: offset }
    if (damaged.includes(offset)) missing.push({ from: offset, to: offset, reason: 'damaged' })
    else entries.push(entry)
  }
  const state = { epoch: 'e', first, head, headId: head === 0 ? '' : `i${head}`, counted: head }
  return { entries, missing, more: false, state }
}

interface Row {
  readonly say: string
  readonly since?: Position
  /** First and newest offset of the log. */
  readonly log: readonly [number, number]
  readonly damaged?: readonly number[]
  readonly from: number
  readonly missing?: readonly Missing[]
}

const all = (to: number): Missing[] => [{ from: 1, to, reason: 'history-changed' }]

const rows: readonly Row[] = [
  { say: 'nothing said, empty log', log: [1, 0], from: 0 },
  { say: 'nothing said', log: [1, 9], from: 9, missing: [{ from: 1, to: 9, reason: 'never-joined' }] },
  { say: 'nothing said, trimmed', log: [4, 9], from: 9, missing: [{ from: 4, to: 9, reason: 'never-joined' }] },
  { say: 'nothing said, all trimmed', log: [10, 9], from: 9, missing: [] },
  { say: 'before all', since: { offset: 0 }, log: [1, 9], from: 0 },
  { say: 'before all of nothing', since: { offset: 0 }, log: [1, 0], from: 0 },
  { say: 'in the middle', since: { epoch: 'e', offset: 4, id: 'i4' }, log: [1, 9], from: 4 },
  { say: 'at the head', since: { epoch: 'e', offset: 9, id: 'i9' }, log: [1, 9], from: 9 },
  { say: 'beyond the head', since: { offset: 10 }, log: [1, 9], from: 9, missing: all(9) },
  { say: 'beyond an empty log', since: { offset: 1 }, log: [1, 0], from: 0, missing: [] },
  { say: 'another epoch', since: { epoch: 'f', offset: 4 }, log: [1, 9], from: 9, missing: all(9) },
  { say: 'another id', since: { epoch: 'e', offset: 4, id: 'i5' }, log: [1, 9], from: 9, missing: all(9) },
  { say: 'another id at the head', since: { offset: 9, id: 'x' }, log: [1, 9], from: 9, missing: all(9) },
  { say: 'just before the first', since: { offset: 3, id: 'gone' }, log: [4, 9], from: 3 },
  { say: 'trimmed', since: { offset: 2 }, log: [5, 9], from: 2, missing: [{ from: 3, to: 4, reason: 'trimmed' }] },
  {
    say: 'all trimmed',
    since: { offset: 2 },
    log: [10, 9],
    from: 2,
    missing: [{ from: 3, to: 9, reason: 'trimmed' }],
  },
  { say: 'all trimmed, seen all', since: { offset: 9, id: 'i9' }, log: [10, 9], from: 9 },
  { say: 'what was seen is damaged', since: { offset: 4, id: 'i4' }, log: [1, 9], damaged: [4], from: 4 },
  {
    say: 'damaged ahead',
    since: { offset: 4 },
    log: [1, 9],
    damaged: [6],
    from: 4,
    missing: [{ from: 6, to: 6, reason: 'damaged' }],
  },
  {
    say: 'trimmed and damaged',
    since: { offset: 1 },
    log: [4, 9],
    damaged: [4],
    from: 1,
    missing: [
      { from: 2, to: 3, reason: 'trimmed' },
      { from: 4, to: 4, reason: 'damaged' },
    ],
  },
]

test('the verdict on every position: all follows, or exactly this is missing and why', () => {
  for (const { say, since, log, damaged, from, missing } of rows) {
    // What a join reads begins with the entry at `since`, so that its id can be compared.
    const verdict = judge(since, pageOf(since, log[0], log[1], damaged))
    assert.equal(verdict.from, from, say)
    if (missing === undefined) assert.deepEqual(verdict.recovery, { recovered: true }, say)
    else {
      assert.equal(verdict.recovery.recovered, false, say)
      assert.deepEqual(verdict.recovery.recovered ? [] : verdict.recovery.missing, missing, say)
      const reason = verdict.recovery.recovered ? undefined : verdict.recovery.reason
      if (missing[0] !== undefined) assert.equal(reason, missing[0].reason, say)
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs, historyMax, judge, remembered, type Standing, tokenOf } from './rules.ts'
import type { Attempt, Report, TaskState } from './task-store.ts'

const now = tokenOf(2, 77)
const old = tokenOf(1, 5)

function standing(state: TaskState): Standing {
  return { state, token: now, attempt: 2, worker: state === 'leased' ? 'anna' : undefined }
}

test('what a report does is this table', () => {
  const tokens = { current: now, none: undefined, old, garbage: '9.zz' }
  const table: [TaskState, keyof typeof tokens, string, string][] = [
    // state, token, verdict on done, verdict on failed
    ['leased', 'current', 'settle', 'fail'],
    ['leased', 'none', 'settle', 'fail'],
    ['leased', 'old', 'note', 'note'],
    ['leased', 'garbage', 'note', 'note'],
    ['ready', 'current', 'settle', 'failed'],
    ['ready', 'none', 'settle', 'failed'],
    ['ready', 'old', 'stale', 'stale'],
    ['delayed', 'current', 'settle', 'failed'],
    ['delayed', 'none', 'settle', 'failed'],
    ['delayed', 'old', 'stale', 'stale'],
    ['dead', 'current', 'settle', 'dead'],
    ['dead', 'none', 'settle', 'dead'],
    ['dead', 'old', 'settle', 'dead'],
    ['dead', 'garbage', 'stale', 'stale'],
    ['done', 'current', 'already', 'already'],
    ['done', 'none', 'already', 'already'],
    ['done', 'old', 'already', 'already'],
    ['done', 'garbage', 'already', 'already'],
  ]
  for (const [state, which, done, failed] of table) {
    const token = tokens[which]
    const report: Omit<Report, 'outcome'> = token === undefined ? { id: 'x' } : { id: 'x', token }
    const got = (['done', 'failed'] as const).map((outcome) => judge(standing(state), { ...report, outcome }))
    assert.deepEqual(got, [done, failed], `${state}, ${which}`)
  }
})

test('a failure without a token counts only from the worker that has the lease', () => {
  const report = { id: 'x', outcome: 'failed' } as const
  assert.equal(judge(standing('leased'), { ...report, worker: 'anna' }), 'fail')
  assert.equal(judge(standing('leased'), { ...report, worker: 'bert' }), 'note')
  assert.equal(judge(standing('leased'), { ...report, worker: 'bert', token: now }), 'fail')
})

test('a failed task waits longer every time, up to its bound, and chance spreads it', () => {
  const backoff = { kind: 'exponential', ms: 1_000, maxMs: 300_000 } as const
  assert.deepEqual(
    [1, 2, 3, 4, 10, 1_000].map((failures) => backoffMs(backoff, failures, 0)),
    [1_000, 2_000, 4_000, 8_000, 300_000, 300_000],
  )
  assert.deepEqual(
    [0, 0.25, 0.5, 0.75].map((fraction) => backoffMs(backoff, 3, fraction)),
    [4_000, 4_500, 5_000, 5_500],
  )
  assert.equal(backoffMs({ kind: 'fixed', ms: 70, maxMs: 5 }, 9, 0.3), 70)
  assert.equal(backoffMs({ kind: 'exponential', ms: 0, maxMs: 5 }, 9, 0.3), 0)
})

test('a history keeps the last attempts', () => {
  let history: readonly Attempt[] = []
  for (let number = 1; number <= 50; number++) history = remembered(history, { number, worker: 'w', started: 1 })
  assert.deepEqual([history.length, history[0]?.number, history.at(-1)?.number], [historyMax, 31, 50])
})

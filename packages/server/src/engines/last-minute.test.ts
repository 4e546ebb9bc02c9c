import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LastMinute } from './last-minute.ts'

test('what was counted in the last minute is summed, and forgotten after it', () => {
  const minute = new LastMinute()
  const start = 1_800_000_000_000
  assert.equal(minute.sum(start), 0)
  minute.add(start, 3)
  assert.equal(minute.sum(start), 3)
  for (let s = 1; s < 60; s++) minute.add(start + s * 1_000, 1)
  assert.equal(minute.sum(start + 59_000), 62)
  // The first five seconds are a minute ago.
  assert.equal(minute.sum(start + 60_000), 55)
  assert.equal(minute.sum(start + 3_600_000), 0)
})

test('a clock that goes back takes nothing away', () => {
  const minute = new LastMinute()
  minute.add(1_800_000_000_000, 1)
  minute.add(1_700_000_000_000, 1)
  assert.equal(minute.sum(1_700_000_000_000), 2)
  assert.equal(minute.sum(1_800_000_000_000), 2)
})

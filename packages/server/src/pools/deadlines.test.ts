import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadlines } from './deadlines.ts'

test('what is due comes in order, what no longer counts does not, and does not pile up', () => {
  const due = new Map<string, number>()
  const deadlines = new Deadlines<string>((item, at) => due.get(item) === at)
  const set = (item: string, at: number): void => {
    due.set(item, at)
    deadlines.add(at, item)
  }
  for (let i = 0; i < 100_000; i++) set(`i${i % 50}`, 1_000_000 - i)
  assert.ok(deadlines.size < 3_000, `${deadlines.size} are kept`)
  const taken: number[] = []
  for (let item = deadlines.take(2_000_000); item !== undefined; item = deadlines.take(2_000_000)) {
    taken.push(due.get(item) ?? 0)
    due.delete(item)
  }
  assert.deepEqual(
    taken,
    Array.from({ length: 50 }, (_, i) => 900_001 + i),
  )
  assert.equal(deadlines.next, undefined)
})

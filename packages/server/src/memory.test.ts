import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryMost, outboxBudget } from './memory.ts'

const mebibyte = 2 ** 20

test('outboxes have 256 MiB, or a quarter of little memory, unless somebody says otherwise', () => {
  const cases: [outboxTotalBytes: number, most: number, budget: number][] = [
    [256 * mebibyte, 8_192 * mebibyte, 256 * mebibyte],
    [256 * mebibyte, 1_024 * mebibyte, 256 * mebibyte],
    [256 * mebibyte, 512 * mebibyte, 128 * mebibyte],
    [200 * mebibyte, 512 * mebibyte, 200 * mebibyte],
    [0, 512 * mebibyte, 0],
  ]
  for (const [outboxTotalBytes, most, budget] of cases) assert.equal(outboxBudget({ outboxTotalBytes }, most), budget)
})

test('this process knows what it may use', () => {
  assert.ok(memoryMost().bytes > 64 * mebibyte)
})

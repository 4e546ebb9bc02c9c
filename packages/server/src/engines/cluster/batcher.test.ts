// What is asked while a batch is under way goes into the next one, whenever that is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backlog } from '../backlog.ts'
import { Batcher } from './batcher.ts'

const limits = { itemsMax: 3, weightMax: 100, waitingMax: 250 }

test('what is asked at the very moment of an answer is answered, too', async () => {
  const batches: (readonly number[])[] = []
  const batcher = new Batcher<number, number>(async (items) => {
    batches.push(items)
    return items.map((item) => item * 2)
  }, limits)
  let second: number | undefined
  await batcher.submit(1, 1).then(() => void batcher.submit(2, 1).then((result) => (second = result)))
  for (let i = 0; i < 20; i++) await Promise.resolve()
  assert.equal(second, 4)
  assert.deepEqual(batches, [[1], [2]])
})

test('a batch has so many items and so much weight, what is heavier goes alone, and only so much waits', async () => {
  const batches: (readonly number[])[] = []
  const batcher = new Batcher<number, number>(async (items) => {
    batches.push(items)
    return items.map((item) => (item === 5 ? new Error('not five') : item))
  }, limits)
  const asked = [1, 2, 3, 4].map((item) => batcher.submit(item, 10))
  asked.push(batcher.submit(5, 95), batcher.submit(6, 95))
  await assert.rejects(batcher.submit(7, 95), { code: 'overloaded' })
  const outcomes = await Promise.allSettled(asked)
  assert.deepEqual(batches, [[1, 2, 3], [4], [5], [6]])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  )
  assert.equal(batcher.weight, 0)
  await batcher.idle()
})

test('what waits is counted with what waits elsewhere, and what waited for 5 s is refused whole', async () => {
  const backlog = new Backlog()
  const told: boolean[] = []
  backlog.onCrowded = (crowded) => void told.push(crowded)
  let now = 0
  const ends: (() => void)[] = []
  const done: number[] = []
  const run = async (items: readonly number[]) => {
    await new Promise<void>((resolve) => ends.push(resolve))
    done.push(...items)
    return items
  }
  const most = { itemsMax: 10, weightMax: 2 ** 26, waitingMax: 2 ** 26 }
  const batcher = new Batcher<number, number>(run, most, { backlog, now: () => now })
  const first = batcher.submit(1, 10)
  await Promise.resolve()
  const late = batcher.submit(2, 5 * 2 ** 20)
  now = 1
  const kept = batcher.submit(3, 5 * 2 ** 20)
  assert.deepEqual(told, [true])
  await assert.rejects(batcher.submit(4, 60 * 2 ** 20), { code: 'overloaded' })
  now = 5_000
  ends.shift()?.()
  await assert.rejects(late, { code: 'overloaded' })
  assert.deepEqual(told, [true, false])
  ends.shift()?.()
  assert.deepEqual([await first, await kept, done, backlog.bytes], [1, 3, [1, 3], 0])
})

test('when all that waits is refused, nothing is asked of the store for it', async () => {
  let now = 0
  const ends: (() => void)[] = []
  const batches: (readonly number[])[] = []
  const run = async (items: readonly number[]) => {
    batches.push(items)
    await new Promise<void>((resolve) => ends.push(resolve))
    return items
  }
  const batcher = new Batcher<number, number>(run, limits, { backlog: new Backlog(), now: () => now })
  const first = batcher.submit(1, 1)
  await Promise.resolve()
  const late = batcher.submit(2, 1)
  now = 5_000
  ends.shift()?.()
  await assert.rejects(late, { code: 'overloaded' })
  assert.equal(await first, 1)
  for (let i = 0; i < 20; i++) await Promise.resolve()
  assert.deepEqual(batches, [[1]])
})

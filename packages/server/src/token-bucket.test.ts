import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../testing/clock.ts'
import { TokenBucket } from './token-bucket.ts'

test('a burst passes, then the rate, and quiet time gives back no more than the burst', () => {
  const clock = new SimulatedClock()
  const bucket = new TokenBucket(clock, { perSecond: 10, burst: 3 })
  assert.deepEqual([bucket.take(), bucket.take(), bucket.take()], [0, 0, 0])
  assert.equal(bucket.take(), 100)
  bucket.giveBack()
  clock.advance(100)
  assert.equal(bucket.take(), 0)
  clock.advance(60_000)
  assert.deepEqual([bucket.take(), bucket.take(), bucket.take(), bucket.take()], [0, 0, 0, 100])
})

test('a rate of 0 is no limit', () => {
  const bucket = new TokenBucket(new SimulatedClock(), { perSecond: 0, burst: 1 })
  for (let i = 0; i < 100; i++) assert.equal(bucket.take(), 0)
})

test('what is missing is told without taking anything', () => {
  const clock = new SimulatedClock()
  const bucket = new TokenBucket(clock, { perSecond: 10, burst: 2 })
  assert.deepEqual([bucket.waitMs, bucket.full], [0, true])
  bucket.take()
  assert.deepEqual([bucket.waitMs, bucket.full], [0, false])
  bucket.take()
  assert.deepEqual([bucket.waitMs, bucket.waitMs], [100, 100])
  clock.advance(100)
  assert.deepEqual([bucket.waitMs, bucket.full], [0, false])
  clock.advance(100)
  assert.equal(bucket.full, true)
})

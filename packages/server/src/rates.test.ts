import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../testing/clock.ts'
import { Rates } from './rates.ts'

test('each key has a rate of its own', () => {
  const clock = new SimulatedClock()
  const rates = new Rates(clock, { perSecond: 10, burst: 2 })
  assert.deepEqual([rates.take('a'), rates.take('a'), rates.waitMs('a'), rates.take('a')], [0, 0, 100, 100])
  assert.deepEqual([rates.waitMs('b'), rates.take('b')], [0, 0])
  assert.deepEqual(
    [rates.tryTake('b'), rates.tryTake('b'), rates.tryTake('b'), rates.waitMs('b')],
    [true, false, false, 100],
  )
  clock.advance(200)
  assert.deepEqual([rates.waitMs('a'), rates.take('__proto__'), rates.take('a')], [0, 0, 0])
})

test('a rate of 0 is no limit, and remembers nobody', () => {
  const rates = new Rates(new SimulatedClock(), { perSecond: 0, burst: 1 })
  for (let i = 0; i < 100; i++) assert.equal(rates.take(`${i % 2}`), 0)
  assert.equal(rates.size, 0)
})

test('whoever is quiet is forgotten, whoever is not is remembered', () => {
  const clock = new SimulatedClock()
  const rates = new Rates(clock, { perSecond: 1, burst: 2 })
  for (let i = 0; i < 5_000; i++) {
    rates.take(`${i}`)
    rates.take('busy')
    clock.advance(100)
  }
  assert.ok(rates.waitMs('busy') > 4_000_000)
  assert.ok(rates.size < 40, `${rates.size} are remembered`)
})

test('there are never more than may be', () => {
  const rates = new Rates(new SimulatedClock(), { perSecond: 1, burst: 1 }, 10)
  for (let i = 0; i < 1_000; i++) rates.take(`${i}`)
  assert.equal(rates.size, 10)
  assert.ok(rates.waitMs('999') > 0)
})

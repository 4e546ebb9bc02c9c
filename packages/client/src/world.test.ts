import assert from 'node:assert/strict'
import test from 'node:test'
import { wakeful } from './world.ts'

test('the clock goes on during a sleep in which the platform stood still, and only grows whatever is done to the wall clock', () => {
  let passed = 0
  let wall = 1_000_000
  const now = wakeful(
    () => passed,
    () => wall,
  )
  const pass = (ms: number): void => {
    passed += ms
    wall += ms
  }
  assert.equal(now(), 0)
  pass(500)
  assert.equal(now(), 500)
  wall += 3_600_000
  pass(10)
  assert.equal(now(), 3_600_510)
  pass(10)
  assert.equal(now(), 3_600_520)
  wall -= 60_000
  pass(10)
  assert.equal(now(), 3_600_530)
  wall += 60_000
  assert.equal(now(), 3_600_530)
  for (let i = 0; i < 100; i++) {
    pass(100)
    wall += 100
    now()
  }
  assert.equal(now(), 3_610_530)
})

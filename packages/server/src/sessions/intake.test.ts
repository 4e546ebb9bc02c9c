import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { Intake, type IntakeLimits } from './intake.ts'

const none: IntakeLimits = { ratePerSecond: 0, burst: 1, unansweredMax: 0, unansweredBytes: 0 }

function open(limits: Partial<IntakeLimits>) {
  const clock = new SimulatedClock()
  const tap = { open: true, turns: 0 }
  const turn = (open: boolean) => () => {
    assert.notEqual(tap.open, open, 'the tap is only turned when that changes something')
    tap.open = open
    tap.turns++
  }
  return {
    clock,
    tap,
    intake: new Intake(clock, { ...none, ...limits }, { pause: turn(false), resume: turn(true) }),
  }
}

test('a burst passes, and what comes on top of it is read at the rate', () => {
  const { clock, tap, intake } = open({ ratePerSecond: 100, burst: 20 })
  for (let i = 0; i < 20; i++) intake.count()
  assert.equal(tap.open, true)
  intake.count()
  assert.equal(tap.open, false)
  clock.advance(9)
  assert.equal(tap.open, false)
  clock.advance(1)
  assert.equal(tap.open, true)
  intake.count()
  assert.equal(tap.open, false)
  assert.equal(intake.held, 2)
})

test('over a long time a flood is read at the rate, however much was read before the tap closed', () => {
  const { clock, tap, intake } = open({ ratePerSecond: 1_000, burst: 2_000 })
  let read = 0
  while (clock.monotonic() < 60_000) {
    // A socket hands over a whole buffer of small messages before it stops.
    if (tap.open) {
      for (let i = 0; i < 500; i++) intake.count()
      read += 500
    }
    clock.advance(1)
  }
  assert.ok(read > 59_000 && read < 64_000, `${read} in a minute`)
})

test('a quiet time gives back the burst and no more', () => {
  const { clock, tap, intake } = open({ ratePerSecond: 10, burst: 5 })
  for (let i = 0; i < 5; i++) intake.count()
  clock.advance(3_600_000)
  for (let i = 0; i < 5; i++) intake.count()
  assert.equal(tap.open, true)
  intake.count()
  assert.equal(tap.open, false)
})

test('a rate of 0 never holds', () => {
  const { tap, intake } = open({})
  for (let i = 0; i < 100_000; i++) intake.count()
  assert.equal(tap.turns, 0)
})

test('with too many calls, or too many bytes of them, under way, reading waits for answers', () => {
  const { tap, intake } = open({ unansweredMax: 2, unansweredBytes: 100 })
  intake.begin(1)
  assert.equal(tap.open, true)
  intake.begin(1)
  assert.equal(tap.open, false)
  intake.end(1)
  assert.equal(tap.open, true)
  intake.begin(99)
  assert.equal(tap.open, false)
  intake.end(1)
  assert.equal(tap.open, true)
  assert.equal(intake.unanswered, 1)
})

test('reading goes on only when no reason to hold is left', () => {
  const { clock, tap, intake } = open({ ratePerSecond: 1_000, burst: 1, unansweredMax: 1 })
  intake.count()
  intake.count()
  intake.begin(1)
  intake.outboxFull()
  clock.advance(1_000)
  assert.equal(tap.open, false)
  intake.outboxDrained()
  assert.equal(tap.open, false)
  assert.equal(intake.holding, true)
  intake.end(1)
  assert.equal(tap.open, true)
  assert.equal(intake.holding, false)
  assert.equal(intake.held, 1, 'held once, for three reasons')
})

test('a drain that nobody waited for changes nothing', () => {
  const { tap, intake } = open({})
  intake.outboxDrained()
  assert.equal(tap.turns, 0)
})

test('an intake that was closed leaves no timer behind', () => {
  const { clock, intake } = open({ ratePerSecond: 1, burst: 1 })
  for (let i = 0; i < 10; i++) intake.count()
  assert.equal(clock.waiting, 1)
  intake.close()
  assert.equal(clock.waiting, 0)
})

test('the end of the last call under way is told, each time', () => {
  const { intake } = open({})
  let idle = 0
  intake.onIdle = () => void idle++
  for (let i = 0; i < 2; i++) {
    intake.begin(1)
    intake.begin(1)
    intake.end(1)
    assert.equal(idle, i)
    intake.end(1)
  }
  assert.equal(idle, 2)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { Rates } from '../rates.ts'
import { Dam } from './dam.ts'
import { Intake, type IntakeLimits, type Shared } from './intake.ts'

const none: IntakeLimits = { ratePerSecond: 0, burst: 1, unansweredMax: 0, unansweredBytes: 0, joinsPerSecond: 0 }

function open(limits: Partial<IntakeLimits>, shared: Shared = {}, clock = new SimulatedClock()) {
  const tap = { open: true, turns: 0 }
  let resumed: (() => void) | undefined
  const turn = (open: boolean) => () => {
    assert.notEqual(tap.open, open, 'the tap is only turned when that changes something')
    tap.open = open
    tap.turns++
    const then = open ? resumed : undefined
    if (open) resumed = undefined
    then?.()
  }
  return {
    clock,
    tap,
    /** Runs in the next turn to open. */
    onResume: (then: () => void) => {
      resumed = then
    },
    intake: new Intake(clock, { ...none, ...limits }, { pause: turn(false), resume: turn(true) }, shared),
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

test('while the store is behind, who sends something to be stored is held back, and nobody else', () => {
  const dam = new Dam()
  const sender = open({}, { dam })
  const asker = open({}, { dam })
  sender.intake.begin(1)
  dam.set(true)
  assert.equal(sender.tap.open, true, 'whoever is quiet is left alone')
  sender.intake.begin(1)
  sender.intake.begin(1)
  asker.intake.begin(1, false)
  assert.deepEqual([sender.tap.open, asker.tap.open], [false, true])
  for (let i = 0; i < 3; i++) sender.intake.end(1)
  assert.equal(sender.tap.open, false)
  dam.set(false)
  assert.equal(sender.tap.open, true)
  sender.intake.begin(1)
  assert.equal(sender.tap.turns, 2)
  assert.equal(dam.closures, 1)
})

test('when the dam closes again while it opens, those who were not let go yet stay held, and are the first the next time', () => {
  const dam = new Dam()
  const [one, two, three, gone] = [1, 2, 3, 4].map(() => open({}, { dam }))
  dam.set(true)
  for (const opened of [one, gone, two, three]) opened?.intake.begin(1)
  assert.ok(one && two && three && gone)
  one.onResume(() => {
    gone.intake.close()
    one.intake.begin(1)
    dam.set(true)
    one.intake.begin(1)
  })
  dam.set(false)
  assert.deepEqual(
    [one, two, three].map(({ tap }) => tap.open),
    [false, false, false],
  )
  two.onResume(() => assert.equal(one.tap.open, false))
  dam.set(false)
  assert.deepEqual(
    [one, two, three].map(({ tap }) => tap.open),
    [true, true, true],
  )
  assert.equal(gone.tap.turns, 1)
})

test('an intake that was closed is not told that the store has caught up', () => {
  const dam = new Dam()
  const { tap, intake } = open({}, { dam })
  dam.set(true)
  intake.begin(1)
  intake.close()
  dam.set(false)
  assert.equal(tap.turns, 1)
})

test('all connections of a user together are read at the rate of the user, and those of others at their own', () => {
  const clock = new SimulatedClock()
  const rates = new Rates(clock, { perSecond: 100, burst: 10 })
  const limits = { ratePerSecond: 80, burst: 8 }
  const [one, two, other, nobody] = ['anna', 'anna', 'bert', ''].map((user) => {
    const opened = open(limits, { rates }, clock)
    opened.intake.user = user
    return opened
  })
  for (let i = 0; i < 6; i++) one?.intake.count()
  for (let i = 0; i < 4; i++) two?.intake.count()
  assert.deepEqual([one?.tap.open, two?.tap.open], [true, true])
  two?.intake.count()
  assert.deepEqual([one?.tap.open, two?.tap.open], [true, false])
  for (let i = 0; i < 8; i++) {
    other?.intake.count()
    nobody?.intake.count()
  }
  assert.deepEqual([other?.tap.open, nobody?.tap.open], [true, true])
  clock.advance(10)
  assert.equal(two?.tap.open, true)
})

test('joins have a rate besides that of messages, with room for all that somebody had joined', () => {
  const { clock, tap, intake } = open({ joinsPerSecond: 50 })
  for (let i = 0; i < 256; i++) intake.countJoin()
  assert.equal(tap.open, true)
  intake.countJoin()
  assert.equal(tap.open, false)
  clock.advance(20)
  assert.equal(tap.open, true)
})

test('a flood of pings is read at 20 a second', () => {
  const { clock, tap, intake } = open({})
  let read = 0
  while (clock.monotonic() < 60_000) {
    if (tap.open) {
      for (let i = 0; i < 50; i++) intake.countControl()
      read += 50
    }
    clock.advance(10)
  }
  assert.ok(read >= 2_100 && read <= 2_300, `${read} in a minute`)
})

test('of several waits the longest counts', () => {
  const { clock, tap, intake } = open({ ratePerSecond: 1_000, burst: 1, joinsPerSecond: 1 })
  for (let i = 0; i < 2; i++) intake.count()
  for (let i = 0; i < 257; i++) intake.countJoin()
  clock.advance(999)
  assert.equal(tap.open, false)
  clock.advance(1)
  assert.equal(tap.open, true)
  assert.equal(intake.held, 1)
})

test('who owes an answer is read whatever it asks itself, up to four times as much', () => {
  const { tap, intake } = open({ unansweredMax: 2 })
  intake.begin(1)
  intake.begin(1)
  assert.equal(tap.open, false)
  intake.owe(1)
  assert.deepEqual([tap.open, intake.crowded], [true, false])
  for (let i = 0; i < 6; i++) intake.begin(1)
  assert.deepEqual([tap.open, intake.crowded], [true, true])
  intake.end(1)
  assert.equal(intake.crowded, false)
  intake.owe(-1)
  assert.equal(tap.open, false)
  for (let i = 0; i < 6; i++) intake.end(1)
  assert.equal(tap.open, true)
})

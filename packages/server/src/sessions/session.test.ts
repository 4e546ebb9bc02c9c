import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bench } from '../../testing/wire.ts'

test('a client that reads no answers is first read from no more, then told to come back later', () => {
  const bench = new Bench()
  const { session, wire } = bench.open({ limits: { outboxBytes: 1_000, replyBytes: 2_000 } })
  wire.reading = false
  for (let i = 0; i < 10; i++) session.reply('x'.repeat(98))
  assert.equal(wire.paused, true)
  assert.equal(wire.closedFor, undefined)
  for (let i = 0; i < 11; i++) session.reply('x'.repeat(98))
  assert.equal(wire.closedFor, 'tryLater')
  assert.equal(session.ended, 'tryLater')
})

test('a client that reads its answers again is read from again', () => {
  const bench = new Bench()
  const { session, wire } = bench.open({ limits: { outboxBytes: 1_000 } })
  wire.reading = false
  session.reply('x'.repeat(1_000))
  bench.clock.turn()
  assert.equal(wire.paused, true)
  wire.read()
  bench.clock.turn()
  assert.equal(wire.paused, false)
})

test('a session that finishes hears nothing more, and its last answer leaves before the goodbye', () => {
  const bench = new Bench()
  const { session, wire } = bench.open()
  session.intake.begin(10)
  session.intake.begin(10)
  session.finish('restart')
  assert.equal(session.listening, false)
  assert.equal(wire.closedFor, undefined)
  session.intake.end(10)
  session.reply('ok 1')
  bench.clock.advance(2)
  assert.equal(wire.closedFor, undefined)
  session.intake.end(10)
  session.reply('ok 2')
  bench.clock.advance(2)
  assert.deepEqual(wire.texts, ['ok 1', 'ok 2'])
  assert.equal(wire.closedFor, 'restart')
})

test('a session with nothing under way finishes at once', () => {
  const { session, wire } = new Bench().open()
  session.finish('restart')
  assert.equal(wire.closedFor, 'restart')
})

test('an end is told once, with its first reason, and runs every cleanup', () => {
  const { session } = new Bench().open()
  const told: string[] = []
  session.onEnd = ({ ended }) => void told.push(`end ${ended}`)
  session.onClose(() => told.push('cleanup'))
  session.onClose(() => told.push('forgotten'))()
  session.close('policy')
  session.close('restart')
  session.gone()
  session.onClose(() => told.push('late cleanup'))
  assert.deepEqual(told, ['cleanup', 'end policy', 'late cleanup'])
})

test('nothing is written to a connection after it is gone', () => {
  const bench = new Bench()
  const { session, wire } = bench.open()
  session.reply('queued')
  session.gone()
  session.reply('late')
  bench.clock.advance(10)
  assert.equal(wire.writes, 0)
  assert.equal(session.ended, 'gone')
})

test('a session ends when its identity does, and not before', () => {
  const bench = new Bench()
  const { session, wire } = bench.open({ expiresAt: bench.clock.now() + 150_500 })
  bench.clock.advance(150_499)
  assert.equal(session.ended, undefined)
  bench.clock.advance(1)
  assert.equal(session.ended, 'expired')
  assert.equal(wire.closedFor, 'expired')
})

test('a newer identity moves the end, and an ended session keeps no timer', () => {
  const bench = new Bench()
  const { session } = bench.open({ expiresAt: bench.clock.now() + 10_000 })
  const waiting = bench.clock.waiting
  session.identify({ user: 'anna', expiresAt: bench.clock.now() + 100 * 86_400_000 })
  assert.equal(bench.clock.waiting, waiting)
  bench.clock.advance(99 * 86_400_000)
  assert.equal(session.ended, undefined)
  bench.clock.advance(86_400_000)
  assert.equal(session.ended, 'expired')
  const other = bench.open({ expiresAt: bench.clock.now() + 10_000 }).session
  other.close('policy')
  bench.clock.advance(20_000)
  assert.equal(other.ended, 'policy')
  assert.equal(bench.clock.waiting, 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { FakeWire } from '../../testing/wire.ts'
import { Pulse } from '../fanout/pulse.ts'
import { Outbox } from './outbox.ts'

function open(limits: { softBytes?: number; replyBytes?: number } = {}) {
  const clock = new SimulatedClock()
  const wire = new FakeWire(clock)
  const seen = { overflows: 0, drains: 0 }
  const sizes = { softBytes: 256 * 1024, replyBytes: 1_000, ...limits }
  const outbox = new Outbox(wire, new Pulse(clock, 2), sizes, () => void seen.overflows++)
  outbox.onDrain(() => void seen.drains++)
  return { clock, wire, outbox, seen }
}

function text(content: string): Uint8Array {
  return new FakeWire(new SimulatedClock()).framing.text(content)
}

test('what was queued first is written first, all of a pulse in one write', () => {
  const { clock, wire, outbox } = open()
  outbox.push(text('one'))
  outbox.pushReply(text('two'))
  outbox.push(text('three'))
  assert.equal(wire.writes, 0)
  clock.turn()
  outbox.push(text('four'))
  clock.advance(2)
  assert.deepEqual(wire.texts, ['one', 'two', 'three', 'four'])
  assert.equal(wire.writes, 2)
})

test('who asks is told when the socket took it, and not before', () => {
  const { clock, wire, outbox } = open()
  wire.reading = false
  const taken: string[] = []
  outbox.push(text('one'), () => taken.push('one'))
  outbox.push(new Uint8Array(), () => taken.push('what was ahead'))
  clock.turn()
  wire.read(4)
  clock.turn()
  assert.deepEqual(taken, [])
  wire.read()
  clock.turn()
  assert.deepEqual(taken, ['one', 'what was ahead'])
})

test('nobody is told that bytes were taken when the connection ended before', () => {
  const { clock, wire, outbox } = open()
  let told = false
  outbox.push(text('one'), () => {
    told = true
  })
  outbox.drop()
  clock.advance(10)
  outbox.push(text('two'))
  clock.advance(10)
  assert.deepEqual([told, wire.writes, outbox.bytes], [false, 0, 0])
})

test('at the soft limit there is no room, whether bytes wait here or in the socket', () => {
  const { clock, wire, outbox } = open({ softBytes: 100 })
  wire.reading = false
  outbox.push(new Uint8Array(99))
  assert.equal(outbox.hasRoom, true)
  outbox.push(new Uint8Array(1))
  assert.equal(outbox.hasRoom, false)
  clock.turn()
  assert.equal(outbox.hasRoom, false)
  wire.read(1)
  assert.equal(outbox.hasRoom, true)
})

test('a soft limit of 0 is no limit', () => {
  const { outbox } = open({ softBytes: 0 })
  outbox.push(new Uint8Array(10_000_000))
  assert.equal(outbox.hasRoom, true)
})

test('who waits for room hears of it, also from a socket that takes everything at once', () => {
  const { clock, outbox, seen } = open({ softBytes: 100 })
  outbox.push(new Uint8Array(100))
  clock.advance(2)
  assert.equal(outbox.hasRoom, true)
  assert.equal(seen.drains, 1)
})

test('who waits for room hears of it, also when the socket took what it had before the rest was written', () => {
  const { clock, wire, outbox, seen } = open({ softBytes: 1_000 })
  wire.reading = false
  outbox.push(new Uint8Array(600))
  clock.turn()
  outbox.push(new Uint8Array(500))
  assert.equal(outbox.hasRoom, false)
  wire.reading = true
  wire.read()
  clock.advance(10)
  assert.equal(wire.pendingBytes, 0)
  assert.ok(seen.drains > 0)
})

test('a socket that says that it is behind is not flowing until it has drained', () => {
  const { clock, wire, outbox, seen } = open()
  wire.reading = false
  outbox.push(new Uint8Array(64 * 1024))
  clock.turn()
  assert.equal(outbox.flowing, false)
  assert.equal(outbox.hasRoom, true)
  wire.read(64 * 1024 - 1)
  assert.equal(outbox.flowing, false)
  wire.read()
  clock.turn()
  assert.equal(outbox.flowing, true)
  assert.equal(seen.drains, 1)
})

test('answers that nobody reads end the connection at their limit', () => {
  const { clock, wire, outbox, seen } = open({ replyBytes: 1_000 })
  wire.reading = false
  for (let i = 0; i < 10; i++) {
    outbox.pushReply(new Uint8Array(100))
    clock.advance(2)
  }
  assert.equal(seen.overflows, 0)
  outbox.pushReply(new Uint8Array(1))
  assert.equal(seen.overflows, 1)
})

test('answers that are read never end a connection, however many, and however busy it is besides', () => {
  const { clock, wire, outbox, seen } = open({ replyBytes: 1_000 })
  wire.reading = false
  outbox.push(new Uint8Array(500))
  for (let i = 0; i < 100; i++) {
    outbox.pushReply(new Uint8Array(100))
    outbox.push(new Uint8Array(500))
    clock.advance(2)
    // The socket is never empty, and yet everything is read soon.
    wire.read(600)
    clock.advance(2)
  }
  assert.equal(seen.overflows, 0)
})

test('what is queued is still written when the connection is closed, and nothing after', () => {
  const { clock, wire, outbox } = open()
  outbox.push(text('last words'))
  outbox.close()
  outbox.push(text('too late'))
  clock.advance(10)
  assert.deepEqual(wire.texts, ['last words'])
})

test('answers count until the socket took them, at once or later, by whichever of its writes', () => {
  const { clock, wire, outbox, seen } = open()
  const answer = (bytes: number): void => {
    outbox.pushReply(new Uint8Array(bytes))
    clock.advance(2)
  }
  for (let i = 0; i < 5; i++) answer(900)
  wire.reading = false
  for (let i = 0; i < 3; i++) {
    answer(500)
    answer(400)
    assert.equal(seen.overflows, 0)
    wire.read()
    clock.turn()
  }
  answer(600)
  answer(600)
  answer(1)
  assert.equal(seen.overflows, 1)
})

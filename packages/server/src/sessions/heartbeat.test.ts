import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bench } from '../../testing/wire.ts'
import { Heartbeat, type HeartbeatLimits } from './heartbeat.ts'
import { Registry } from './registry.ts'

const defaults: HeartbeatLimits = {
  pingMs: 25_000,
  pongMs: 10_000,
  stallMs: 30_000,
  helloMs: 10_000,
  outboxTotalBytes: 0,
}

function open(limits: Partial<HeartbeatLimits> = {}) {
  const bench = new Bench()
  const registry = new Registry({
    connectionsMax: 0,
    connectionsPerUserMax: 0,
    connectionsPerAddressMax: 0,
    unauthenticatedMax: 0,
    unauthenticatedPerAddressMax: 0,
  })
  const heartbeat = new Heartbeat(bench.clock, registry, { ...defaults, ...limits })
  const join = (wishes: Parameters<Bench['open']>[0] = {}) => {
    const opened = bench.open(wishes)
    registry.add(opened.session)
    return opened
  }
  /** A second passes, and `each` happens in it. */
  const seconds = (count: number, each: () => void = () => undefined) => {
    for (let i = 0; i < count; i++) {
      each()
      bench.clock.advance(1_000)
    }
  }
  return { clock: bench.clock, registry, heartbeat, join, seconds }
}

test('a silent client is pinged after 25 s, once, and is dead after 10 s more', () => {
  const { heartbeat, join, seconds } = open()
  const { wire } = join()
  seconds(25)
  assert.equal(wire.pings, 0)
  seconds(1)
  assert.equal(wire.pings, 1)
  seconds(9)
  assert.deepEqual([wire.pings, wire.terminated, heartbeat.silent], [1, false, 0])
  seconds(1)
  assert.deepEqual([wire.pings, wire.terminated, heartbeat.silent], [1, true, 1])
})

test('a client that answers pings lives for ever', () => {
  const { join, seconds } = open()
  const { wire } = join()
  let answered = 0
  seconds(300, () => {
    if (wire.pings > answered) wire.received += 6
    answered = wire.pings
  })
  assert.equal(wire.terminated, false)
  assert.ok(wire.pings >= 10 && wire.pings <= 12, `${wire.pings} pings in 300 s`)
})

test('a client that talks is never pinged', () => {
  const { join, seconds } = open()
  const { wire } = join()
  seconds(300, () => {
    wire.received++
  })
  assert.equal(wire.pings, 0)
})

test('a client that is held back is not dead, and counts its silence from its release', () => {
  const { join, seconds } = open()
  const { session, wire } = join()
  session.intake.outboxFull()
  seconds(120)
  assert.deepEqual([wire.pings, wire.terminated], [0, false])
  session.intake.outboxDrained()
  seconds(25)
  assert.deepEqual([wire.pings, wire.terminated], [1, false])
  seconds(10)
  assert.equal(wire.terminated, true)
})

test('nobody is dead because this process stood still for a minute', () => {
  const { heartbeat, clock, join, seconds } = open()
  const [idle, pinged, reader] = [join(), join(), join()]
  seconds(10, () => idle.wire.received++)
  seconds(16)
  assert.deepEqual([idle.wire.pings, pinged.wire.pings], [0, 1])
  reader.wire.reading = false
  reader.session.deliver(new Uint8Array(100))
  clock.advance(2)
  clock.stall(60_000)
  seconds(2)
  assert.ok([idle, pinged, reader].every(({ wire }) => !wire.terminated && wire.closedFor === undefined))
  seconds(40)
  assert.deepEqual([idle.wire.terminated, pinged.wire.terminated, heartbeat.silent], [true, true, 3])
})

test('nobody is dead who was not pinged, however short the times are', () => {
  const { join, seconds } = open({ pingMs: 1, pongMs: 1 })
  const { wire } = join()
  seconds(2)
  assert.deepEqual([wire.pings, wire.terminated], [1, false])
  seconds(1)
  assert.equal(wire.terminated, true)
})

test('with pings off a silent client stays', () => {
  const { join, seconds } = open({ pingMs: 0 })
  const { wire } = join()
  seconds(1_000)
  assert.deepEqual([wire.pings, wire.terminated], [0, false])
})

test('a client that takes nothing of what waits for it for 30 s is told to come back later', () => {
  const { clock, heartbeat, join, seconds } = open({ pingMs: 0 })
  const { session, wire } = join()
  seconds(100)
  wire.reading = false
  session.deliver(new Uint8Array(1_000))
  clock.advance(2)
  seconds(29)
  assert.equal(wire.closedFor, undefined)
  seconds(2)
  assert.equal(wire.closedFor, 'tryLater')
  assert.equal(heartbeat.stalled, 1)
})

test('a client that takes a little now and then is slow, not stalled', () => {
  const { clock, heartbeat, join, seconds } = open({ pingMs: 0 })
  const { session, wire } = join()
  wire.reading = false
  session.deliver(new Uint8Array(1_000))
  clock.advance(2)
  for (let i = 0; i < 10; i++) {
    wire.read(1)
    seconds(25)
  }
  assert.deepEqual([wire.closedFor, heartbeat.stalled], [undefined, 0])
})

test('a client that is still busy reading what was sent before the ping is not dead', () => {
  const { clock, join, seconds } = open()
  const { session, wire } = join()
  wire.reading = false
  session.deliver(new Uint8Array(200_000))
  clock.advance(2)
  seconds(100, () => wire.read(1_500))
  assert.equal(wire.terminated, false)
  // Then it is gone.
  seconds(36)
  assert.ok(wire.terminated || wire.closedFor !== undefined)
})

test('bytes that only fill the buffers of a dead connection are no sign of life', () => {
  const { clock, join, seconds } = open()
  const { session, wire } = join()
  seconds(37, () => {
    session.deliver(new Uint8Array(100))
    clock.advance(2)
  })
  assert.equal(wire.terminated, true)
})

test('who does not say who they are in 10 s is closed; who did, or need not, stays', () => {
  const { registry, join, seconds } = open()
  const silent = join({ user: undefined })
  const late = join({ user: undefined })
  const nobody = join({ user: '' })
  seconds(8)
  registry.identified(late.session, { user: 'late' })
  seconds(1)
  assert.equal(silent.wire.closedFor, undefined)
  seconds(2)
  assert.equal(silent.wire.closedFor, 'policy')
  assert.deepEqual([late.wire.closedFor, nobody.wire.closedFor], [undefined, undefined])
})

test('who had no time to say who they are, because this process stood still, has it then', () => {
  const { clock, registry, join, seconds } = open()
  const [late, silent] = [join({ user: undefined }), join({ user: undefined })]
  seconds(2)
  clock.stall(60_000)
  seconds(2)
  assert.deepEqual([late.wire.closedFor, silent.wire.closedFor], [undefined, undefined])
  registry.identified(late.session, { user: 'late' })
  seconds(9)
  assert.deepEqual([late.wire.closedFor, silent.wire.closedFor], [undefined, 'policy'])
})

test('who had just come when this process stood still has time to say who they are', () => {
  const { clock, join, seconds } = open()
  seconds(1)
  const { wire } = join({ user: undefined })
  clock.stall(60_000)
  seconds(7)
  assert.equal(wire.closedFor, undefined)
  seconds(3)
  assert.equal(wire.closedFor, 'policy')
})

test('above the budget of all outboxes the largest are ended, and no more than needed', () => {
  const { clock, heartbeat, join, seconds } = open({ outboxTotalBytes: 1_000, pingMs: 0, stallMs: 0 })
  const sizes = [100, 600, 300, 500, 200]
  const joined = sizes.map((size) => {
    const one = join()
    one.wire.reading = false
    one.session.deliver(new Uint8Array(size))
    return one
  })
  clock.advance(2)
  seconds(1)
  const ended = sizes.filter((_, i) => joined[i]!.wire.terminated)
  assert.deepEqual(ended, [600, 500])
  assert.equal(heartbeat.overBudget, 2)
  assert.ok(joined.every(({ wire }) => wire.terminated === (wire.closedFor === 'tryLater')))
  seconds(5)
  assert.equal(heartbeat.overBudget, 2)
  assert.equal(heartbeat.outboxBytes, 600)
})

test('a heartbeat that was closed leaves no timer behind', () => {
  const { clock, heartbeat } = open()
  heartbeat.close()
  assert.equal(clock.waiting, 0)
})

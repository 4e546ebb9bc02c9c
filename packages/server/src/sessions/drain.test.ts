import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bench } from '../../testing/wire.ts'
import type { Dialect } from './dialect.ts'
import { drainSessions } from './drain.ts'
import { Registry } from './registry.ts'

function open(count: number) {
  const bench = new Bench()
  const registry = new Registry({
    connectionsMax: 0,
    connectionsPerUserMax: 0,
    connectionsPerAddressMax: 0,
    unauthenticatedMax: 0,
    unauthenticatedPerAddressMax: 0,
  })
  const told: number[] = []
  const closedAt: number[] = []
  const opened = Array.from({ length: count }, (_, i) => {
    const one = bench.open()
    registry.add(one.session)
    one.session.onClose(() => {
      closedAt[i] = bench.clock.monotonic()
    })
    const draining = (afterMs: number): void => {
      told[i] = afterMs
    }
    one.session.speak({ draining, closed: () => undefined } as Partial<Dialect> as Dialect)
    return one
  })
  const drain = async (windowMs: number) => {
    let over = -1
    const drained = drainSessions(registry, bench.clock, windowMs).then(() => {
      over = bench.clock.monotonic()
    })
    await bench.clock.pass(windowMs + 100)
    await drained
    return over
  }
  return { clock: bench.clock, registry, told, closedAt, opened, drain }
}

test('clients leave one after the other over the window, each half a second after its moment was due', async () => {
  const { told, closedAt, opened, drain } = open(100)
  const over = await drain(20_000)
  assert.deepEqual(
    told,
    Array.from({ length: 100 }, (_, i) => i * 195),
  )
  assert.deepEqual(
    closedAt,
    told.map((after) => after + 500),
  )
  assert.ok(opened.every(({ wire }) => wire.closedFor === 'restart' && !wire.terminated))
  assert.ok(over >= 19_805 && over <= 19_830, `over at ${over}`)
})

test('a server without clients is drained at once', async () => {
  assert.equal(await open(0).drain(20_000), 0)
})

test('a single client need not wait for the window', async () => {
  const { told, closedAt, drain } = open(1)
  assert.ok((await drain(20_000)) < 600)
  assert.deepEqual([told, closedAt], [[0], [500]])
})

test('a window shorter than the hint still closes everybody politely', async () => {
  const { opened, drain } = open(5)
  await drain(100)
  assert.ok(opened.every(({ wire }) => wire.closedFor === 'restart' && !wire.terminated))
})

test('who still waits for an answer when the window is over is ended', async () => {
  const { opened, drain } = open(2)
  opened[1]!.session.intake.begin(1)
  assert.ok((await drain(1_000)) >= 1_000)
  assert.equal(opened[0]!.wire.closedFor, 'restart')
  assert.deepEqual([opened[1]!.wire.closedFor, opened[1]!.wire.terminated], ['goingAway', true])
})

test('a window of 0 ends everybody at once', async () => {
  const { registry, opened, drain } = open(3)
  assert.equal(await drain(0), 0)
  assert.ok(opened.every(({ wire }) => wire.terminated))
  assert.equal(registry.size, 0)
})

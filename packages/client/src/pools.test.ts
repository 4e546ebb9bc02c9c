import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { codeOf, start, watched } from '../testing/client.ts'
import { Refusal } from '../testing/fake-wire.ts'
import { settled } from '../testing/world.ts'
import type { AcquireOptions } from './pools.ts'

const granted = (hold = 'h1', leftMs = 10_000) => ({
  ...{ hold, pool: 'p', resources: [{ id: 'r1', data: 7 }], token: 5, until: '', leftMs, waitedMs: 0, graceMs: 10_000 },
})

async function held(t: TestContext, options: AcquireOptions = {}, leftMs = 10_000) {
  const started = start(t, { pingMs: 0 })
  started.server.on('pools.acquire', () => granted('h1', leftMs))
  started.server.on('pools.renew', () => granted('h1', leftMs))
  started.server.on('pools.attach', () => granted('h1', leftMs))
  started.server.on('pools.release', () => ({}))
  const wire = await started.live()
  const hold = await started.nitka.pools.acquire('p', options)
  return { ...started, wire, hold }
}

test('a hold is renewed at half of its time, as long as the client lives', async (t) => {
  const { wire, hold, pass } = await held(t)
  assert.deepEqual(hold.resources, [{ id: 'r1', data: 7 }])
  assert.deepEqual([hold.held, hold.leftMs], [true, 10_000])
  await pass(4_999)
  assert.equal(wire.calls('pools.renew').length, 0)
  await pass(1)
  assert.deepEqual(wire.calls('pools.renew')[0]?.params, { hold: 'h1', token: 5 })
  await pass(50_000)
  assert.equal(wire.calls('pools.renew').length, 11)
  assert.deepEqual([hold.held, hold.signal.aborted], [true, false])
})

test('a hold with a time of its own is not renewed by itself, and ends then', async (t) => {
  const { wire, hold, pass } = await held(t, { ttl: 10_000 })
  await pass(9_999)
  assert.equal(hold.held, true)
  await pass(1)
  assert.deepEqual([hold.held, hold.leftMs, hold.signal.aborted], [false, 0, true])
  assert.equal(wire.calls('pools.renew').length, 0)
  assert.equal(await hold.check(), false)
})

test('a hold that is renewed by hand lasts from the question on', async (t) => {
  const { wire, hold, pass, server } = await held(t, { ttl: 10_000 })
  await pass(8_000)
  server.answerers.delete('pools.renew')
  const renewed = hold.renew()
  await pass(1_000)
  wire.answer('pools.renew', granted())
  await renewed
  assert.deepEqual(wire.calls('pools.renew')[0]?.params, { hold: 'h1', token: 5, ttl: 10_000 })
  assert.equal(hold.leftMs, 9_000)
  await pass(9_000)
  assert.equal(hold.signal.aborted, true)
})

test('a hold that cannot be renewed is lost when its time is over, and not before', async (t) => {
  for (const how of ['refused', 'silent', 'disconnected'] as const) {
    const { hold, pass, server, wire } = await held(t)
    server.answerers.delete('pools.renew')
    if (how === 'refused') {
      server.on('pools.renew', () => {
        throw new Refusal('overloaded')
      })
    }
    if (how === 'disconnected') wire.end()
    await pass(9_999)
    assert.deepEqual([hold.held, hold.signal.aborted], [true, false], how)
    await pass(1)
    assert.deepEqual([hold.held, hold.signal.aborted], [false, true], how)
  }
})

test('a hold that the server does not know any more is lost at once', async (t) => {
  const { hold, pass, server } = await held(t)
  server.on('pools.renew', () => {
    throw new Refusal('not-found')
  })
  await pass(5_000)
  assert.deepEqual([hold.held, hold.signal.aborted], [false, true])
  const other = await held(t, { ttl: 10_000 })
  other.server.on('pools.renew', () => {
    throw new Refusal('not-found')
  })
  assert.equal(await codeOf(other.hold.renew()), 'not-found')
  assert.deepEqual([other.hold.held, other.hold.signal.aborted], [false, true])
})

test('a hold moves over to the next connection, and is lost when that does not succeed', async (t) => {
  const { hold, reconnect, server, pass } = await held(t)
  const second = await reconnect()
  assert.deepEqual(second.calls('pools.attach')[0]?.params, { hold: 'h1' })
  assert.equal(hold.held, true)
  let refusals = 1
  server.on('pools.attach', () => {
    if (refusals-- > 0) throw new Refusal('unavailable')
    return granted()
  })
  const third = await reconnect()
  await pass(1_000)
  assert.equal(third.calls('pools.attach').length, 2)
  assert.equal(hold.held, true)
  server.on('pools.attach', () => {
    throw new Refusal('not-found')
  })
  await reconnect()
  assert.deepEqual([hold.held, hold.signal.aborted], [false, true])
  const last = await reconnect()
  assert.equal(last.calls('pools.attach').length, 0)
})

test('a hold that was waited for lasts no longer than the server keeps it, however long its answer was on the way', async (t) => {
  const { nitka, live, reconnect, pass } = start(t, { pingMs: 0 })
  await live()
  const asked = nitka.pools.acquire('p', { wait: 60_000, ttl: 10_000 })
  await pass(20_000)
  const second = await reconnect()
  await pass(8_000)
  second.answer('pools.acquire', { ...granted(), waitedMs: 5_000 })
  const hold = await asked
  assert.equal(hold.leftMs, 7_000)
  await pass(7_000)
  assert.deepEqual([hold.held, hold.signal.aborted], [false, true])
})

test('a hold ends when the server gives it away without its connection, and is given back should that have kept it', async (t) => {
  const { hold, wire, pass, live } = await held(t, {}, 60_000)
  wire.end()
  await pass(9_999)
  assert.deepEqual([hold.held, hold.signal.aborted], [true, false])
  await pass(1)
  assert.deepEqual([hold.held, hold.signal.aborted], [false, true])
  const next = await live()
  assert.deepEqual([next.calls('pools.attach').length, next.calls('pools.release').length], [0, 1])
})

test('a hold that moved over in time lasts as long as the server says then', async (t) => {
  const { hold, reconnect, server } = await held(t, { ttl: 60_000 }, 60_000)
  server.on('pools.attach', () => granted('h1', 40_000))
  await reconnect()
  assert.equal(hold.leftMs, 40_000)
})

test('a hold that is bound to no connection lasts without one, and is not asked for twice', async (t) => {
  const { nitka, live, pass } = start(t, { pingMs: 0 })
  const wire = await live()
  const asked = nitka.pools.acquire('p', { detached: true, ttl: 60_000 })
  const { graceMs: _, ...answer } = granted('h1', 60_000)
  wire.answer('pools.acquire', answer)
  const hold = await asked
  const unsure = nitka.pools.acquire('p', { detached: true })
  wire.end()
  assert.equal(await codeOf(unsure), 'lost')
  await pass(59_999)
  assert.equal(hold.held, true)
  await pass(1)
  assert.equal(hold.held, false)
})

test('a hold that is granted in the moment in which the client is closed is none', async (t) => {
  const { nitka, live, world } = start(t, { pingMs: 0 })
  const wire = await live()
  const asked = nitka.pools.acquire('p')
  wire.answer('pools.acquire', granted())
  nitka.close()
  const hold = await asked
  assert.deepEqual([hold.held, hold.signal.aborted, world.clock.waiting], [false, true, 0])
})

test('who slept through the time of a hold does not believe in it', async (t) => {
  const { hold, world, wire, pass } = await held(t)
  world.slept = 10_000
  assert.deepEqual([hold.held, hold.leftMs], [false, 0])
  wire.end()
  await pass(0)
  assert.equal(hold.signal.aborted, true)
})

test('a hold is given back once, also when it is lost meanwhile, and fires no signal', async (t) => {
  const { hold, wire, server, world } = await held(t)
  server.on('pools.release', () => {
    throw new Refusal('not-found')
  })
  await Promise.all([hold.release(), hold.release()])
  await hold.release()
  await hold[Symbol.asyncDispose]()
  assert.equal(wire.calls('pools.release').length, 1)
  assert.deepEqual([hold.held, hold.signal.aborted], [false, false])
  assert.equal(world.clock.waiting, 0)
})

test('a hold ends with its client, and disposing it then is fine', async (t) => {
  const { hold, nitka, world } = await held(t)
  nitka.close()
  assert.deepEqual([hold.held, hold.signal.aborted], [false, true])
  await hold[Symbol.asyncDispose]()
  assert.equal(world.clock.waiting, 0)
})

test('what is granted to somebody who has stopped waiting goes back', async (t) => {
  const { nitka, server, live, pass } = start(t, { pingMs: 0 })
  const wire = await live()
  server.on('pools.release', () => ({}))
  const stop = new AbortController()
  const called = watched(nitka.pools.acquire('p', { signal: stop.signal, wait: 60_000 }))
  const late = watched(nitka.pools.acquire('p', { wait: 1_000 }))
  stop.abort()
  await settled()
  assert.equal(called.error.code, 'aborted')
  wire.answer('pools.acquire', granted('h1'))
  await settled()
  assert.deepEqual(wire.calls('pools.release').at(-1)?.params, { hold: 'h1' })
  await pass(31_000)
  assert.equal(late.error.code, 'timeout')
  wire.answer('pools.acquire', granted('h2'))
  await settled()
  assert.deepEqual(wire.calls('pools.release').at(-1)?.params, { hold: 'h2' })
  await pass(100_000)
  assert.equal(wire.calls('pools.renew').length, 0)
})

test('who stops waiting before anything was sent asks for nothing', async (t) => {
  const { nitka, live } = start(t, { pingMs: 0 })
  const stop = new AbortController()
  const called = nitka.pools.acquire('p', { signal: stop.signal })
  stop.abort()
  assert.equal(await codeOf(called), 'aborted')
  assert.equal(await codeOf(nitka.pools.acquire('p', { signal: stop.signal })), 'aborted')
  const wire = await live()
  assert.deepEqual(wire.methods, ['session.hello'])
})

test('an acquire that is refused, or ends with the client, leaves nothing behind', async (t) => {
  const { nitka, live, world } = start(t, { pingMs: 0 })
  const wire = await live()
  const busy = nitka.pools.acquire('p')
  wire.refuse('pools.acquire', 'busy')
  assert.equal(await codeOf(busy), 'busy')
  assert.equal(world.clock.waiting, 0)
  const waiting = nitka.pools.acquire('p')
  nitka.close()
  assert.equal(await codeOf(waiting), 'closed')
})

test('bookings take dates, and are not repeated', async (t) => {
  const { nitka, live } = start(t, { pingMs: 0 })
  const wire = await live()
  const [from, to] = [new Date('2026-01-02T03:04:05Z'), '2026-01-03T00:00:00Z']
  const booked = nitka.pools.book('p', { from, to, count: 2 })
  assert.deepEqual(wire.calls('pools.book')[0]?.params, { pool: 'p', from: '2026-01-02T03:04:05.000Z', to, count: 2 })
  wire.end()
  assert.equal(await codeOf(booked), 'lost')
})

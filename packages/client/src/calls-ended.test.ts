import assert from 'node:assert/strict'
import test from 'node:test'
import { codeOf, start, watched } from '../testing/client.ts'
import { settled } from '../testing/world.ts'

test('a call can be called off before it is sent, and is then never sent', async (t) => {
  const { nitka, live } = start(t)
  const stop = new AbortController()
  const sent = nitka.rooms.send('tea', 'a', { signal: stop.signal })
  stop.abort('enough')
  const error = await sent.catch((thrown) => thrown)
  assert.equal(error.code, 'aborted')
  assert.equal(error.cause, 'enough')
  assert.equal(await codeOf(nitka.rooms.send('tea', 'b', { signal: stop.signal })), 'aborted')
  const wire = await live()
  assert.deepEqual(wire.methods, ['session.hello'])
})

test('a call can be called off while it is under way, and makes room for the next', async (t) => {
  const { nitka, live, reconnect } = start(t)
  const wire = await live()
  const stop = new AbortController()
  const sent = nitka.rooms.send('tea', 'a', { signal: stop.signal })
  const others = Array.from({ length: 48 }, (_, i) => nitka.rooms.send('tea', i))
  for (const one of others) one.catch(() => undefined)
  assert.equal(wire.calls('rooms.send').length, 48)
  stop.abort()
  assert.equal(await codeOf(sent), 'aborted')
  assert.equal(wire.calls('rooms.send').length, 49)
  wire.answer('rooms.send', {})
  assert.equal(nitka.pending, 48)
  const next = await reconnect()
  assert.equal(next.calls('rooms.send')[0]?.params.message, 0)
})

test('a call can be called off during the pause before it is asked again', async (t) => {
  const { nitka, live, pass } = start(t)
  const wire = await live()
  const stop = new AbortController()
  const sent = nitka.rooms.send('tea', 'a', { signal: stop.signal })
  wire.refuse('rooms.send', 'unavailable')
  await settled()
  stop.abort()
  assert.equal(await codeOf(sent), 'aborted')
  await pass(10_000)
  assert.equal(wire.calls('rooms.send').length, 1)
  assert.equal(nitka.pending, 0)
})

test('a call that is answered leaves nothing at its signal and no timer', async (t) => {
  const { nitka, live, world } = start(t, { pingMs: 0 })
  const wire = await live()
  const stop = new AbortController()
  const sent = nitka.rooms.send('tea', 'a', { signal: stop.signal, timeoutMs: 100 })
  wire.answer('rooms.send', { id: 'x' })
  await sent
  assert.equal(world.clock.waiting, 0)
  stop.abort()
  assert.equal(nitka.pending, 0)
})

test('the time of a call runs out while it waits, while it is under way, and while it pauses', async (t) => {
  const { nitka, live, pass, world } = start(t)
  const waiting = watched(nitka.rooms.send('tea', 'a', { timeoutMs: 100 }))
  await pass(99)
  assert.equal(waiting.done, false)
  await pass(1)
  assert.deepEqual([waiting.error.code, waiting.error.retry], ['timeout', true])
  assert.match(waiting.error.message, /rooms\.send was not sent in time, and is not done/)
  const wire = await live()
  const underWay = watched(nitka.rooms.send('tea', 'b', { timeoutMs: 100 }))
  await pass(100)
  assert.deepEqual([underWay.error.code, underWay.error.retry], ['timeout', false])
  assert.match(underWay.error.message, /whether it was done is unknown/)
  world.usual = 1
  const paused = watched(nitka.rooms.send('tea', 'c', { timeoutMs: 50 }))
  wire.refuse('rooms.send', 'unavailable') // the late answer to b
  wire.refuse('rooms.send', 'unavailable')
  await pass(50)
  assert.equal(paused.error.code, 'timeout')
  await pass(10_000)
  assert.equal(wire.calls('rooms.send').length, 2)
  assert.equal(nitka.pending, 0)
})

test('most calls wait 30 s for a connection, what is durable 12 hours', async (t) => {
  const { nitka, pass } = start(t)
  const history = watched(nitka.rooms.list())
  const sent = watched(nitka.rooms.send('tea', 'a', { timeoutMs: 10 ** 12 }))
  await pass(30_000)
  assert.equal(history.error.code, 'timeout')
  await pass(12 * 3_600_000 - 30_001)
  assert.equal(sent.done, false)
  await pass(1)
  assert.equal(sent.error.code, 'timeout')
})

test('what would be repeated after a sleep that outlasted its time is not: the server may not know it for a repeat', async (t) => {
  const { nitka, live, world, reconnect } = start(t, { pingMs: 0 })
  const wire = await live()
  const sent = codeOf(nitka.rooms.send('tea', 'a'))
  assert.equal(wire.calls('rooms.send').length, 1)
  world.slept = 12 * 60 * 60 * 1_000
  const next = await reconnect()
  assert.equal(next.calls('rooms.send').length, 0)
  assert.equal(await sent, 'timeout')
  await nitka.flush()
})

test('flush resolves when every call has its answer, whatever it is', async (t) => {
  const { nitka, live } = start(t)
  const wire = await live()
  await nitka.flush()
  const [a, b] = ['a', 'b'].map((message) => nitka.rooms.send('tea', message))
  const flushed = watched(nitka.flush())
  wire.answer('rooms.send', {})
  await a
  await settled()
  assert.equal(flushed.done, false)
  wire.refuse('rooms.send', 'forbidden')
  assert.equal(await codeOf(b as Promise<unknown>), 'forbidden')
  await settled()
  assert.equal(flushed.done, true)
})

test('flush resolves when the last call was lost with its connection', async (t) => {
  const { nitka, live } = start(t)
  const wire = await live()
  const created = nitka.rooms.create({ name: 'tea' })
  const flushed = watched(nitka.flush())
  wire.end()
  assert.equal(await codeOf(created), 'lost')
  await settled()
  assert.equal(flushed.done, true)
})

test('close ends every call, and flush', async (t) => {
  const { nitka, live, world } = start(t)
  const wire = await live()
  const all = Array.from({ length: 60 }, (_, i) => nitka.rooms.send('tea', i))
  wire.refuse('rooms.send', 'unavailable')
  const flushed = nitka.flush()
  const created = nitka.rooms.create({ name: 'tea' })
  nitka.close()
  assert.deepEqual(new Set(await Promise.all(all.map(codeOf))), new Set(['closed']))
  assert.equal(await codeOf(created), 'closed')
  await flushed
  assert.equal(await codeOf(nitka.rooms.send('tea', 'late')), 'closed')
  assert.equal(await codeOf(nitka.ready()), 'closed')
  assert.equal(nitka.state, 'closed')
  assert.equal(nitka.pending, 0)
  assert.equal(wire.closed, true)
  assert.equal(world.clock.waiting, 0)
})

test('an answer to nobody is passed over', async (t) => {
  const { nitka, live } = start(t)
  const wire = await live()
  for (const id of [null, 'x', 99, undefined, {}]) wire.say({ jsonrpc: '2.0', id, result: 1 })
  wire.notify('some.news', {})
  await settled()
  assert.equal(nitka.state, 'live')
})

import assert from 'node:assert/strict'
import test from 'node:test'
import { codeOf, start, watched } from '../testing/client.ts'
import { settled } from '../testing/world.ts'

const names = (wire: { sent: readonly { method: string; params: any }[] }) =>
  wire.sent.filter(({ method }) => method === 'rooms.send').map(({ params }) => params.message)

test('what is called before it is live waits, and goes in order after the greeting', async (t) => {
  const { nitka, server, live } = start(t)
  for (const message of ['a', 'b', 'c']) void nitka.rooms.send('tea', message).catch(() => undefined)
  await settled()
  assert.deepEqual(server.wire.sent, [])
  const wire = await live()
  assert.deepEqual(wire.methods, ['session.hello', 'rooms.send', 'rooms.send', 'rooms.send'])
  assert.deepEqual(names(wire), ['a', 'b', 'c'])
})

test('48 calls are under way at once, and each answer lets one more go', async (t) => {
  const { nitka, live } = start(t)
  const wire = await live()
  const sent = Array.from({ length: 60 }, (_, i) => nitka.rooms.send('tea', i))
  for (const one of sent) one.catch(() => undefined)
  assert.equal(names(wire).length, 48)
  wire.answer('rooms.send', { id: 'x' })
  assert.equal(names(wire).length, 49)
  for (let i = 0; i < 59; i++) wire.answer('rooms.send', { id: 'x' })
  await Promise.all(sent)
  assert.deepEqual(
    names(wire),
    sent.map((_, i) => i),
  )
  assert.equal(nitka.pending, 0)
})

test('what was not answered is sent again on the next connection, first and in order', async (t) => {
  const { nitka, server, live, pass } = start(t)
  const first = await live()
  for (const message of ['a', 'b', 'c']) void nitka.rooms.send('tea', message).catch(() => undefined)
  first.result(first.calls('rooms.send')[1]?.id as number, {})
  first.end()
  void nitka.rooms.send('tea', 'd').catch(() => undefined)
  await pass(500)
  assert.equal(server.wires.length, 2)
  const second = await live()
  assert.deepEqual(names(second), ['a', 'c', 'd'])
})

test('a call that was refused for a while keeps its place over a lost connection', async (t) => {
  const { nitka, live, reconnect, pass } = start(t)
  const first = await live()
  for (const message of ['a', 'b', 'c']) void nitka.rooms.send('tea', message).catch(() => undefined)
  first.refuse('rooms.send', 'unavailable')
  const second = await reconnect()
  assert.deepEqual(names(second), ['a', 'b', 'c'])
  second.refuse('rooms.send', 'unavailable')
  await pass(200)
  assert.deepEqual(names(second), ['a', 'b', 'c', 'a'])
  const third = await reconnect()
  assert.deepEqual(names(third), ['a', 'b', 'c'])
})

test('a call that must not be repeated ends with `lost` when the connection does', async (t) => {
  const { nitka, live, reconnect } = start(t)
  const wire = await live()
  const created = watched(nitka.rooms.create({ name: 'tea' }))
  const asked = watched(nitka.requests.call('sum', 1))
  wire.end()
  await settled()
  assert.equal(created.error.code, 'lost')
  assert.equal(asked.error.code, 'lost')
  const next = await reconnect()
  assert.deepEqual(next.methods, ['session.hello'])
})

test('a call that must not be repeated, and was not sent yet, waits for the next connection', async (t) => {
  const { nitka, live, reconnect } = start(t)
  await live()
  const wire = await reconnect()
  wire.end()
  const created = nitka.rooms.create({ name: 'tea' })
  const next = await reconnect()
  next.answer('rooms.create', { id: 'r' })
  assert.deepEqual(await created, { id: 'r' })
})

test('"unavailable" and "draining" are asked again after a pause, and others wait behind them', async (t) => {
  const { nitka, world, live, pass } = start(t)
  const wire = await live()
  world.usual = 0.5
  const sent = nitka.rooms.send('tea', 'a')
  wire.refuse('rooms.send', 'unavailable')
  await settled()
  void nitka.rooms.send('tea', 'b').catch(() => undefined)
  await pass(49)
  assert.deepEqual(names(wire), ['a'])
  await pass(1)
  assert.deepEqual(names(wire), ['a', 'a', 'b'])
  wire.refuse('rooms.send', 'draining')
  await pass(99)
  assert.deepEqual(names(wire), ['a', 'a', 'b'])
  await pass(1)
  assert.deepEqual(names(wire), ['a', 'a', 'b', 'a'])
  wire.result(wire.calls('rooms.send')[0]?.id as number, { id: 'x' })
  assert.deepEqual(await sent, { id: 'x' })
})

test('a fault of the server is tried three times, then told', async (t) => {
  const { nitka, live, pass } = start(t)
  const wire = await live()
  const sent = watched(nitka.rooms.send('tea', 'a'))
  for (const tries of [1, 2, 3]) {
    assert.equal(names(wire).length, tries)
    assert.equal(sent.done, false)
    wire.refuse('rooms.send', 'internal')
    await pass(5_000)
  }
  assert.equal(sent.error.code, 'internal')
  assert.equal(names(wire).length, 3)
})

test('"overloaded" of the server is told at once', async (t) => {
  const { nitka, live, pass } = start(t)
  const wire = await live()
  const sent = nitka.rooms.send('tea', 'a')
  wire.refuse('rooms.send', 'overloaded')
  assert.equal(await codeOf(sent), 'overloaded')
  await pass(10_000)
  assert.equal(names(wire).length, 1)
})

test('more calls than may wait are refused, and there is room again after an answer', async (t) => {
  const { nitka, live } = start(t, { callsMax: 3 })
  const wire = await live()
  const sent = [1, 2, 3].map((i) => nitka.rooms.send('tea', i))
  const refused = await nitka.rooms.send('tea', 4).catch((error) => error)
  assert.equal(refused.code, 'overloaded')
  assert.equal(refused.retry, true)
  wire.answer('rooms.send', {})
  await sent[0]
  const last = nitka.rooms.send('tea', 5)
  for (let i = 0; i < 3; i++) wire.answer('rooms.send', {})
  await Promise.all([...sent, last])
  assert.deepEqual(names(wire), [1, 2, 3, 5])
})

test('more characters than may wait are refused, and what was answered does not count', async (t) => {
  const { nitka, live } = start(t, { charactersMax: 1_000 })
  const wire = await live()
  const long = 'x'.repeat(700)
  for (let i = 0; i < 5; i++) {
    const sent = nitka.rooms.send('tea', long)
    assert.equal(await codeOf(nitka.rooms.send('tea', long)), 'overloaded')
    if (i % 2 === 0) wire.answer('rooms.send', {})
    else wire.refuse('rooms.send', 'forbidden')
    await sent.catch(() => undefined)
  }
})

test('what is no JSON or too large is refused at once, and disturbs nothing else', async (t) => {
  const { nitka, live } = start(t)
  const wire = await live()
  const circle: { self?: unknown } = {}
  circle.self = circle
  const sent = nitka.rooms.send('tea', 'a')
  assert.equal(await codeOf(nitka.rooms.send('tea', circle)), 'invalid')
  assert.equal(await codeOf(nitka.rooms.send('tea', 1n)), 'invalid')
  assert.equal(await codeOf(nitka.rooms.send('tea', 'x'.repeat(1_000_001))), 'too-large')
  assert.equal(nitka.pending, 1)
  wire.answer('rooms.send', {})
  await sent
  assert.deepEqual(names(wire), ['a'])
})

test('a text that is too large in bytes is refused here, since the server would close the connection over it', async (t) => {
  const { nitka, live } = start(t)
  const wire = await live()
  assert.equal(await codeOf(nitka.rooms.send('tea', '€'.repeat(400_000))), 'too-large')
  assert.deepEqual(names(wire), [])
})

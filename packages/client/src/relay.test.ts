import assert from 'node:assert/strict'
import test from 'node:test'
import { start, watched } from '../testing/client.ts'
import { settled } from '../testing/world.ts'

const published = (wire: { calls(method: string): { params: any }[] }) =>
  wire.calls('relay.publish').map(({ params }) => params.message)

test('what is published goes out once the channel is joined, and before that it does not', async (t) => {
  const { nitka, live, reconnect } = start(t)
  const channel = nitka.relay('cursors')
  assert.equal(nitka.relay('cursors'), channel)
  assert.equal(channel.publish(1), false)
  const wire = await live()
  assert.equal(channel.publish(2), false)
  wire.answer('relay.join')
  await settled()
  assert.equal(channel.joined, true)
  assert.equal(channel.publish(3), true)
  assert.equal(wire.calls('relay.publish')[0]?.id, undefined)
  wire.waiting = 1_048_577
  assert.equal(channel.publish(4), false)
  assert.deepEqual(published(wire), [3])
  const next = await reconnect()
  assert.equal(channel.publish(5), false)
  next.answer('relay.join')
  await settled()
  assert.equal(channel.publish(6), true)
  assert.deepEqual(published(next), [6])
})

test('what is no JSON or too large to publish is refused at once, and the connection lives on', async (t) => {
  const { nitka, server, live } = start(t)
  server.on('relay.join', () => ({}))
  const channel = nitka.relay('cursors')
  const wire = await live()
  const circle: { self?: unknown } = {}
  circle.self = circle
  assert.throws(() => channel.publish(circle), { code: 'invalid' })
  assert.throws(() => channel.publish('x'.repeat(1_100_000)), { code: 'too-large' })
  assert.deepEqual(published(wire), [])
  assert.equal(nitka.state, 'live')
})

test('who has left a channel hears nothing, publishes nothing, and can join again', async (t) => {
  const { nitka, server, live } = start(t)
  server.on('relay.join', () => ({}))
  const channel = nitka.relay('cursors')
  const heard: unknown[] = []
  const left: unknown[] = []
  channel.on('message', ({ message }) => heard.push(message))
  channel.on('left', (event) => left.push(event))
  const wire = await live()
  wire.notify('relay.message', { channel: 'cursors', message: 1 })
  channel.leave()
  channel.leave()
  wire.notify('relay.message', { channel: 'cursors', message: 2 })
  assert.equal(channel.publish(1), false)
  assert.deepEqual([heard, left], [[1], [{}]])
  assert.equal(wire.calls('relay.leave').length, 1)
  assert.notEqual(nitka.relay('cursors'), channel)
  assert.equal(wire.calls('relay.join').length, 2)
})

test('a loop over a channel gets the newest 1,000 when it is slow, and ends when it is left', async (t) => {
  const { nitka, server, live } = start(t)
  server.on('relay.join', () => ({}))
  const channel = nitka.relay('cursors')
  const wire = await live()
  const loop = channel.messages()
  const first = loop.next()
  for (let i = 0; i < 1_500; i++) wire.notify('relay.message', { channel: 'cursors', message: i })
  const got: unknown[] = [(await first).value]
  for (let i = 0; i < 999; i++) got.push((await loop.next()).value)
  channel.leave()
  assert.equal((await loop.next()).done, true)
  assert.equal(got.at(-1), 1_499)
  assert.ok((got[1] as number) >= 499)
})

test('a loop over a channel ends with its signal', async (t) => {
  const { nitka } = start(t)
  const stop = new AbortController()
  const next = watched(nitka.relay('cursors').messages({ signal: stop.signal }).next())
  await settled()
  assert.equal(next.done, false)
  stop.abort()
  await settled()
  assert.equal(next.value?.done, true)
})

test('a channel that is refused is left; one that is refused for now is asked for again', async (t) => {
  const { nitka, live, pass } = start(t)
  const [good, bad] = [nitka.relay('good'), nitka.relay('bad')]
  const left: unknown[] = []
  bad.on('left', ({ error }) => left.push(error?.code))
  good.on('left', ({ error }) => left.push(error?.code))
  const wire = await live()
  wire.refuse('relay.join', 'overloaded')
  wire.refuse('relay.join', 'forbidden')
  await pass(1_000)
  wire.answer('relay.join')
  await settled()
  assert.deepEqual(left, ['forbidden'])
  assert.equal(good.joined, true)
})

test('a channel that is to be asked for again is not asked for before the next connection has greeted', async (t) => {
  const { nitka, server, world, live, pass } = start(t)
  const channel = nitka.relay('cursors')
  const wire = await live()
  wire.refuse('relay.join', 'overloaded')
  await settled()
  world.usual = 0
  wire.end()
  await pass(0)
  server.wire.open()
  await pass(1_500)
  assert.deepEqual(server.wire.methods, ['session.hello'])
  server.wire.answer('session.hello', { session: 'z', user: 'ann', pingMs: 0 })
  await settled()
  server.wire.answer('relay.join')
  await settled()
  assert.equal(channel.joined, true)
})

test('a pause before a channel is asked for again ends with the client', async (t) => {
  const { nitka, live } = start(t)
  nitka.relay('cursors')
  const wire = await live()
  wire.refuse('relay.join', 'overloaded')
  await settled()
})

test('a loop over a channel can be left while it waits', async (t) => {
  const { nitka } = start(t)
  const loop = nitka.relay('cursors').messages()
  const next = watched(loop.next())
  const returned = watched(loop.return())
  await settled()
  assert.deepEqual([next.value?.done, returned.done], [true, true])
})

test('a channel that is refused while nobody listens for its end is told to onError', async (t) => {
  const { nitka, live, errors } = start(t)
  nitka.relay('bad')
  const wire = await live()
  wire.refuse('relay.join', 'forbidden')
  await settled()
  assert.deepEqual(
    errors.map((error: any) => error.code),
    ['forbidden'],
  )
})

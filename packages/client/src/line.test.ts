import assert from 'node:assert/strict'
import test from 'node:test'
import { codeOf, start, watched } from '../testing/client.ts'
import { FakeWorld, settled } from '../testing/world.ts'
import type { StateChange } from './line-terms.ts'
import { Nitka } from './nitka.ts'

/** Waits between attempts, of a client whose every attempt fails. */
async function waits(started: ReturnType<typeof start>, attempts: number): Promise<number[]> {
  const { nitka, server, pass } = started
  const seen: number[] = []
  nitka.on('state', ({ retryInMs }) => retryInMs !== undefined && seen.push(retryInMs))
  for (let i = 0; i < attempts; i++) {
    server.wire.end()
    await pass(seen.at(-1) ?? 0)
  }
  return seen
}

test('waits between attempts double up to a bound, each a part of it that chance draws', async (t) => {
  const started = start(t, { retryBaseMs: 100, retryMaxMs: 1_000 })
  started.world.chances.push(1, 1, 0.5, 1, 1, 0.1, 0)
  assert.deepEqual(await waits(started, 7), [100, 200, 200, 800, 1_000, 100, 0])
  assert.equal(started.server.wires.length, 8)
})

test('a connection that ends soon after the greeting counts as a failed attempt, one that lived 5 s does not', async (t) => {
  const { nitka, server, world, live, pass } = start(t, { retryBaseMs: 100, retryMaxMs: 1_000 })
  world.usual = 1
  const seen: (number | undefined)[] = []
  nitka.on('state', ({ state, retryInMs }) => state === 'waiting' && seen.push(retryInMs))
  for (const livedMs of [0, 1_000, 4_999, 5_000, 0]) {
    await live()
    await pass(livedMs)
    server.wire.end()
    await pass(1_000)
  }
  assert.deepEqual(seen, [100, 200, 400, 100, 200])
})

test('every state is told, with why and when it goes on', async (t) => {
  const { nitka, server, live, pass } = start(t)
  const seen: StateChange[] = []
  nitka.on('state', (change) => seen.push(change))
  const ready = nitka.ready()
  await live()
  await ready
  assert.equal(nitka.user, 'ann')
  assert.equal(nitka.server?.node, 'n1')
  server.wire.end(1013, 'too slow')
  assert.equal(nitka.user, undefined)
  assert.equal(seen.at(-1)?.error?.message, 'too slow')
  await pass(250)
  await live()
  nitka.close()
  nitka.close()
  assert.deepEqual(
    seen.map(({ state }) => state),
    ['live', 'waiting', 'connecting', 'live', 'closed'],
  )
  assert.equal(seen[1]?.retryInMs, 250)
  assert.equal(seen.at(-1)?.error, undefined)
})

for (const code of [1002, 1007, 1008, 1009]) {
  test(`a connection closed with ${code} does not come back`, async (t) => {
    const { nitka, server, live, pass } = start(t)
    await live()
    const sent = nitka.rooms.send('tea', 1)
    server.wire.end(code, '')
    assert.equal(nitka.state, 'closed')
    assert.equal(await codeOf(sent), 'closed')
    await pass(100_000)
    assert.equal(server.wires.length, 1)
    const error = await nitka.ready().catch((thrown) => thrown)
    assert.match(error.message, /\w/)
  })
}

for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4000, undefined]) {
  test(`a connection closed with ${code} comes back`, async (t) => {
    const { nitka, live, reconnect, server } = start(t)
    await live()
    server.wire.end(code)
    assert.equal(nitka.state, 'waiting')
    await reconnect()
    assert.equal(nitka.state, 'live')
  })
}

for (const text of ['no json', '{', 'null', '7', '"text"', '[]', '{"error":{}}']) {
  test(`a server that says ${text} does not bring the client down`, async (t) => {
    const { nitka, server, live, pass } = start(t)
    await live()
    server.wire.text(text)
    await pass(250)
    if (nitka.state !== 'live') await live()
    assert.equal(nitka.state, 'live')
  })
}

test('an attempt that does not open, or is not greeted, is given up after its time', async (t) => {
  const { nitka, server, pass } = start(t, { handshakeMs: 2_000 })
  await pass(1_999)
  assert.equal(nitka.state, 'connecting')
  await pass(1)
  assert.equal(nitka.state, 'waiting')
  assert.equal(server.wires[0]?.closed, true)
  await pass(250)
  server.wire.open()
  await pass(1_999)
  assert.deepEqual(server.wire.methods, ['session.hello'])
  assert.equal(nitka.state, 'connecting')
  await pass(1)
  assert.equal(nitka.state, 'waiting')
  assert.equal(server.wire.closed, true)
})

test('what an old connection says late is not heard', async (t) => {
  const { nitka, server, reconnect, live } = start(t)
  const old = await live()
  await reconnect()
  old.over = false
  old.end(1008)
  old.text('no json')
  old.open()
  await settled()
  assert.equal(nitka.state, 'live')
  assert.equal(server.wires.length, 2)
})

test('a server that is about to stop is left when it asked for it', async (t) => {
  const { nitka, server, live, pass } = start(t)
  const told: unknown[] = []
  nitka.on('draining', (event) => told.push(event))
  const wire = await live()
  wire.notify('session.drain', { after: 3_000 })
  assert.deepEqual(told, [{ afterMs: 3_000 }])
  const sent = nitka.rooms.send('tea', 'still')
  wire.answer('rooms.send', { id: 'x' })
  await sent
  await pass(2_999)
  assert.equal(nitka.state, 'live')
  await pass(1)
  assert.equal(nitka.state, 'waiting')
  assert.equal(wire.closed, true)
  await pass(250)
  await live()
  await pass(10_000)
  assert.equal(server.wires.length, 2)
})

test('what must not be repeated is answered before a server that stops is left, and nothing more is sent there', async (t) => {
  const { nitka, live, pass } = start(t)
  const wire = await live()
  const asked = nitka.requests.call('sum')
  wire.notify('session.drain', { after: 0 })
  await pass(0)
  const later = watched(nitka.requests.call('late'))
  const sent = watched(nitka.rooms.send('tea', 'late'))
  await pass(1_000)
  assert.deepEqual([nitka.state, wire.methods.slice(1)], ['live', ['requests.call']])
  wire.answer('requests.call', { result: 3 })
  assert.equal(await asked, 3)
  assert.equal(nitka.state, 'waiting')
  await pass(250)
  const next = await live()
  next.answer('requests.call', { result: 4 })
  next.answer('rooms.send', {})
  await settled()
  assert.deepEqual([later.value, sent.done], [4, true])
})

test('a server that stops before the time it named is come back from once', async (t) => {
  const { server, live, pass } = start(t)
  const wire = await live()
  wire.notify('session.drain', { after: 3_000 })
  wire.end(1012)
  await pass(250)
  await live()
  await pass(20_000)
  assert.equal(server.wires.length, 2)
})

test('a client can be closed in every state, also by a listener of its states', async (t) => {
  for (const at of ['connecting', 'live', 'waiting'] as const) {
    const { nitka, server, live, pass, world } = start(t)
    const off = nitka.on('state', ({ state }) => state === at && nitka.close())
    const ready = watched(nitka.ready())
    if (at !== 'connecting') await live()
    server.wire.end()
    await pass(1_000)
    off()
    assert.equal(nitka.state, 'closed')
    assert.equal(ready.done, true)
    assert.equal(world.clock.waiting, 0)
    assert.equal(server.wires.at(-1)?.over, true)
  }
})

test('an address that the platform refuses to dial closes the client, and nothing stays behind', async () => {
  const world = new FakeWorld()
  const dial = () => {
    throw new Error('no such scheme')
  }
  const nitka = new Nitka(dial, {}, world)
  assert.equal(nitka.state, 'closed')
  assert.equal(await codeOf(nitka.ready()), 'invalid')
  assert.equal(await codeOf(nitka.rooms.list()), 'invalid')
  assert.equal(await codeOf(nitka.rooms.join('tea')), 'invalid')
  assert.equal(world.clock.waiting, 0)
})

test('waiting for the connection, for answers and for the inbox ends with a signal', async (t) => {
  const { nitka, live } = start(t)
  const stop = new AbortController()
  const { signal } = stop
  void nitka.rooms.list().catch(() => undefined)
  const waits = [nitka.ready({ signal }), nitka.flush({ signal }), nitka.direct.open({ signal })].map(codeOf)
  stop.abort()
  assert.deepEqual(await Promise.all(waits), ['aborted', 'aborted', 'aborted'])
  assert.equal(await codeOf(nitka.ready({ signal })), 'aborted')
  assert.equal(await codeOf(nitka.direct.open({ signal })), 'aborted')
  const wire = await live()
  assert.deepEqual(wire.methods, ['session.hello', 'rooms.list'])
})

test('a notification that cannot be read is told to onError, and the connection lives on', async (t) => {
  const { nitka, live, errors } = start(t)
  const wire = await live()
  wire.say({ jsonrpc: '2.0', method: 'tasks.batch' })
  assert.deepEqual([errors.length, nitka.state], [1, 'live'])
})

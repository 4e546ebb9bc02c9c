// What a program that the server is part of hears of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import type { DeadLetter, ServerEvents, StoredMessage } from '../src/index.ts'
import { realWorld } from '../src/world.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { ask, start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

test('connections are told when their user is known, and once more when they end, over each transport', async (t) => {
  const { server, connect } = await start(t)
  const seen: (ServerEvents['connected'] | ServerEvents['disconnected'])[] = []
  server.on('connected', (event) => seen.push(event))
  const stopHearing = server.on('disconnected', (event) => seen.push(event))

  const ann = await connect('/ws?user=ann&device=phone')
  await eventually(() => seen.length === 1, 'ann')
  const { session } = seen[0]!
  assert.deepEqual(seen[0], { session, user: 'ann', device: 'phone', transport: 'websocket' })
  assert.match(session, /^[0-9a-v]{20}$/)
  ann.ws.close(1000)
  await eventually(() => seen.length === 2, 'ann’s end')
  assert.deepEqual(seen[1], { ...seen[0], reason: 'gone', clean: true })

  const tcp = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  await eventually(() => seen.length === 3, 'a TCP client')
  assert.deepEqual([seen[2]?.transport, seen[2]?.user], ['tcp', ''])
  tcp.socket.destroy()
  await eventually(() => seen.length === 4, 'its end')

  const leaving = new AbortController()
  await fetch(`${server.url}/task?user=bert&batchsize=1`, { signal: leaving.signal })
  await eventually(() => seen.length === 5, 'a stream')
  assert.deepEqual([seen[4]?.transport, seen[4]?.user], ['sse', 'bert'])
  leaving.abort()
  await eventually(() => seen.length === 6, 'its end')

  // Nobody yet: told as soon as the first call says who it is.
  const late = await connect('/ws', { protocols: ['nitka.rpc.v1'] })
  await late.call('session.hello', { token: 'carl' })
  await eventually(() => seen.length === 7, 'carl')
  assert.equal(seen[6]?.user, 'carl')

  stopHearing()
  stopHearing()
  late.terminate()
  const dora = await connect('/ws?user=dora')
  await eventually(() => seen.length === 8 && server.registry.size === 1, 'dora')
  assert.equal(seen[7]?.user, 'dora')
  const ends: ServerEvents['disconnected'][] = []
  server.on('disconnected', (event) => ends.push(event))
  await server.stop(0)
  assert.deepEqual(
    ends.map(({ user, reason }) => [user, reason]),
    [['dora', 'goingAway']],
  )
  await dora.closed
})

test('a message is told once when it is stored: to a user, from the application, to a room, and no repeat', async (t) => {
  const { server, connect } = await start(t)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  const seen: StoredMessage[] = []
  server.on('message', (message) => seen.push(message))

  const ann = await connect('/ws?user=ann')
  ann.send({ fromUser: 'ann', toUser: 7, message: { text: 'hi' }, id: 'one' })
  assert.deepEqual(await ann.take(1), ['ok'])
  const system = await server.direct.sendSystem({ toUser: 'ann', message: 'paid', data: { order: 7 } }, 'two')
  const entry = await server.rooms.send('ann', 'tea', 'who is in?', 'three')
  const ours = await server.rooms.sendSystem('tea', 'closing')
  await server.direct.sendSystem({ toUser: 'ann', message: 'paid', data: { order: 7 } }, 'two')
  await server.direct.sendUser({ fromUser: 'ann', toUser: 'ann', message: 'to me' })
  await eventually(() => seen.length === 5, 'all of them')

  const [{ id, time }, me] = [seen[0]!, seen[4]!]
  assert.deepEqual(seen[0], {
    ...{ kind: 'direct', from: 'ann', to: '7', message: { text: 'hi' } },
    ...{ id, offset: 1, time, clientId: 'one' },
  })
  assert.deepEqual(seen[1], {
    ...{ kind: 'system', to: 'ann', message: 'paid', data: { order: 7 } },
    ...{ id: system.id, offset: 2, time: system.time, clientId: 'two' },
  })
  assert.deepEqual(seen[2], {
    ...{ kind: 'room', from: 'ann', room: 'tea', message: 'who is in?' },
    ...{ id: entry.id, offset: 1, time: entry.time, clientId: 'three' },
  })
  assert.deepEqual(seen[3], {
    ...{ kind: 'room', from: '', room: 'tea', message: 'closing' },
    ...{ id: ours.id, offset: 2, time: ours.time },
  })
  assert.deepEqual([me.kind, me.message, me.offset], ['direct', 'to me', 3])
  const { body } = await ask(server.url, 'GET', '/rooms/tea/messages?user=ann')
  assert.equal(body.messages[1].from, '')
  await assert.rejects(server.rooms.sendSystem('nowhere', 'hi'), { code: 'not-found' })
})

test('messages of one log are told in the order of their offsets, batches of messages and tasks among them', async (t) => {
  const { server, ask } = await start(t)
  const offsets: number[] = []
  server.on('message', ({ offset }) => offsets.push(offset))
  const sends: Promise<unknown>[] = []
  for (let i = 0; i < 200; i++) {
    const system = { toUser: 'ann', message: i }
    const operations = [{ system }, { task: { payload: {} } }]
    sends.push(i % 5 === 0 ? ask('POST', '/batch', { operations }) : server.direct.sendSystem(system))
  }
  await Promise.all(sends)
  await eventually(() => offsets.length === 200, 'all of them')
  assert.deepEqual(
    offsets,
    offsets.map((_, i) => i + 1),
  )
})

test('a listener that throws, or whose promise rejects, is a line in the log and hinders nobody', async (t) => {
  const { server } = await start(t)
  const seen: unknown[] = []
  server.on('message', () => {
    throw new Error('mine')
  })
  server.on('message', async () => {
    throw new Error('mine, too')
  })
  server.on('message', ({ message }) => seen.push(message))
  await server.direct.sendSystem({ toUser: 'ann', message: 1 })
  await server.direct.sendSystem({ toUser: 'ann', message: 2 })
  await eventually(() => seen.length === 2, 'both')
  assert.deepEqual(seen, [1, 2])
})

test('what becomes a dead letter is told: by its last failure, by time, by hand', async (t) => {
  const { server, ask } = await start(t)
  const seen: DeadLetter[] = []
  server.on('dead-letter', (letter) => seen.push(letter))
  const ids: string[] = []
  for (const queue of ['fail', 'expire', 'hand']) {
    const lease = queue === 'expire' ? 100 : 60_000
    const [{ id } = { id: '' }] = await server.tasks.add({ queue, maxAttempts: 1, lease, payload: {} })
    ids.push(id)
  }
  const listener = { lost: () => undefined, silent: () => undefined }
  server.tasks.work(
    { id: 'w1', queue: 'fail', batch: 1 },
    {
      ...listener,
      batch: ([lease]) => {
        const { task, token } = lease!
        void server.tasks.report([{ id: task.id, token, outcome: 'failed', reason: 'no paper' }])
      },
    },
  )
  await eventually(() => seen.length === 1, 'the failure')
  server.tasks.work({ id: 'w2', queue: 'expire', batch: 1 }, { ...listener, batch: () => undefined })
  await eventually(() => seen.length === 2, 'the end of the lease')
  await server.tasks.bury(ids[2]!, 'not wanted')
  await eventually(() => seen.length === 3, 'the burial')
  assert.deepEqual(seen, [
    { task: ids[0], queue: 'fail', attempts: 1, how: 'failed', reason: 'no paper' },
    { task: ids[1], queue: 'expire', attempts: 1, how: 'expired', reason: undefined },
    { task: ids[2], queue: 'hand', attempts: 0, how: 'buried', reason: 'not wanted' },
  ])
  assert.equal((await ask('GET', `/tasks/${ids[0]}`)).body.state, 'dead')
})

test('a store that fails is told, once', async (t) => {
  let broken: ((cause: Error) => void) | undefined
  const { server } = await start(
    t,
    {},
    {
      openEngine: async ({ data }, world) => {
        const engine = await openEmbedded({ dataDir: data, world, durability: 'relaxed', reserveBytes: 0 })
        broken = (cause) => engine.onFailed?.(cause)
        return engine
      },
    },
  )
  const seen: unknown[] = []
  server.on('fatal', ({ cause }) => seen.push(cause))
  const cause = new Error('disk on fire')
  broken?.(cause)
  await eventually(() => seen.length === 1, 'the event')
  assert.equal(seen[0], cause)
})

test('by a simulated clock, events come when the clock is moved, and time is what the test says', async (t) => {
  const clock = new SimulatedClock()
  const { server } = await start(t, {}, { world: { ...realWorld(), clock } })
  const seen: StoredMessage[] = []
  server.on('message', (message) => seen.push(message))
  const { time } = await server.direct.sendSystem({ toUser: 'ann', message: 'hi' })
  assert.equal(time, Date.parse('2026-01-02T03:04:05Z'))
  assert.equal(seen.length, 0)
  clock.turn()
  assert.deepEqual([seen.length, seen[0]?.time], [1, time])
})

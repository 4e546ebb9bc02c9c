import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { codeOf, start, watched } from '../testing/client.ts'
import { Refusal } from '../testing/fake-wire.ts'
import { FakeLog } from '../testing/log.ts'
import { settled } from '../testing/world.ts'
import type { Room } from './room.ts'

async function joined(t: TestContext, past = 0, options: { since?: number; history?: number } = {}) {
  const started = start(t)
  const log = new FakeLog(started.server, past)
  const wire = await started.live()
  const { since, history } = options
  const room = (await started.nitka.rooms.join('tea', {
    ...(since === undefined ? {} : { since: { epoch: 'e1', offset: since } }),
    ...(history === undefined ? {} : { history }),
  })) as Room<number>
  return { ...started, log, wire, room, seen: listen(room) }
}

function listen(room: Room<number>) {
  const messages: number[] = []
  const told: unknown[] = []
  room.on('message', ({ message }) => messages.push(message))
  for (const name of ['gap', 'presence', 'resumed', 'left', 'removed'] as const) {
    room.on(name, (event: any) => told.push([name, event.error?.code ?? event]))
  }
  return { messages, told }
}

test('each message comes once and in order, over any number of connections', async (t) => {
  const { log, wire, seen, reconnect, room, nitka } = await joined(t, 3)
  log.tell(wire)
  log.tell(wire)
  await settled()
  assert.deepEqual(seen.messages, [4, 5])
  for (let i = 0; i < 3; i++) {
    log.add()
    const next = await reconnect()
    log.tell(next)
    await settled()
  }
  assert.deepEqual(seen.messages, [4, 5, 6, 7, 8, 9, 10, 11])
  assert.deepEqual(room.position, { epoch: 'e1', offset: 11, id: 'm11' })
  assert.deepEqual(seen.told, Array(3).fill(['resumed', { recovered: true }]))
  assert.equal(await nitka.rooms.join('tea'), room)
})

test('a message that comes twice is handed on once', async (t) => {
  const { log, wire, seen } = await joined(t)
  const entry = log.add()
  for (let i = 0; i < 3; i++) wire.notify('rooms.message', entry)
  log.tell(wire)
  wire.notify('rooms.message', entry)
  await settled()
  assert.deepEqual(seen.messages, [1, 2])
})

test('what was said before somebody left is told before, however close together both come', async (t) => {
  const { log, wire, room } = await joined(t)
  const order: unknown[] = []
  room.on('message', ({ message }) => order.push(message))
  room.on('presence', ({ user, online }) => order.push(`${user} ${online ? 'came' : 'left'}`))
  await settled()
  for (const online of [true, false]) {
    wire.notify('rooms.presence', { room: 'tea', user: 'bert', online })
    log.tell(wire)
  }
  assert.deepEqual(order, ['bert came', 1, 'bert left', 2])
})

test('a message that is skipped is fetched by joining again', async (t) => {
  const { log, wire, seen } = await joined(t)
  log.tell(wire)
  log.add()
  log.tell(wire)
  log.tell(wire)
  await settled()
  assert.deepEqual(seen.messages, [1, 2, 3, 4])
  assert.equal(wire.calls('rooms.join').length, 2)
  assert.deepEqual(wire.calls('rooms.join')[1]?.params.since, { epoch: 'e1', offset: 1, id: 'm1' })
})

test('what the server says is missing is told as a gap, and what follows comes', async (t) => {
  const { log, wire, seen } = await joined(t, 2)
  log.lose(4, 6)
  wire.notify('session.missing', { log: 'room:tea', missing: log.missing })
  log.entries.push({ offset: 3, id: 'm3', room: 'tea', from: 'bert', message: 3, time: '' })
  wire.notify('rooms.message', log.entries.at(-1) as object)
  await settled()
  log.tell(wire)
  await settled()
  assert.deepEqual(seen.told, [['gap', { from: 4, to: 6, reason: 'damaged' }]])
  assert.deepEqual(seen.messages, [3, 7])
  assert.equal(wire.calls('rooms.join').length, 1)
})

test('missing entries of another log change nothing', async (t) => {
  const { log, wire, seen } = await joined(t)
  const missing = [{ from: 1, to: 5, reason: 'damaged' }]
  wire.notify('session.missing', { log: 'room:other', missing })
  wire.notify('session.missing', { log: 'user:ann', missing })
  log.tell(wire)
  await settled()
  assert.deepEqual([seen.messages, seen.told], [[1], []])
})

for (const reason of ['trimmed', 'damaged'] as const) {
  test(`what was ${reason} while the connection was lost is a gap, and the rest comes`, async (t) => {
    const { log, wire, seen, reconnect } = await joined(t)
    log.tell(wire)
    for (let i = 0; i < 6; i++) log.add()
    log.lose(reason === 'trimmed' ? 2 : 4, 5, reason)
    await reconnect()
    const from = reason === 'trimmed' ? 2 : 4
    assert.deepEqual(seen.messages, reason === 'trimmed' ? [1, 6, 7] : [1, 2, 3, 6, 7])
    assert.deepEqual(seen.told, [
      ['resumed', { recovered: false }],
      ['gap', { from, to: 5, reason }],
    ])
  })
}

test('a damaged end is a gap, too', async (t) => {
  const { log, wire, seen, reconnect } = await joined(t)
  log.tell(wire)
  log.lose(2, 3)
  const next = await reconnect()
  assert.deepEqual(seen.told.at(-1), ['gap', { from: 2, to: 3, reason: 'damaged' }])
  log.tell(next)
  await settled()
  assert.deepEqual(seen.messages, [1, 4])
})

test('a past that is another one is told, and it goes on with what comes', async (t) => {
  const { log, wire, seen, reconnect, room } = await joined(t)
  for (let i = 0; i < 5; i++) log.tell(wire)
  log.epoch = 'e2'
  log.entries.splice(3)
  const next = await reconnect()
  log.tell(next)
  await settled()
  assert.deepEqual(seen.messages, [1, 2, 3, 4, 5, 4])
  assert.deepEqual(seen.told, [
    ['resumed', { recovered: false }],
    ['gap', { from: 1, to: 3, reason: 'history-changed' }],
  ])
  assert.deepEqual(room.position, { epoch: 'e2', offset: 4, id: 'm4' })
})

test('a room that is joined from a position on begins after it, and one that is not, with what comes', async (t) => {
  const { seen } = await joined(t, 5, { since: 2 })
  await settled()
  assert.deepEqual(seen.messages, [3, 4, 5])
  const other = await joined(t, 5)
  await settled()
  assert.deepEqual([other.seen.messages, other.seen.told], [[], []])
})

test('a room that is joined with some history brings it first', async (t) => {
  const { log, wire, seen } = await joined(t, 500, { history: 250 })
  log.tell(wire)
  await settled()
  await settled()
  assert.deepEqual(
    seen.messages,
    Array.from({ length: 251 }, (_, i) => 251 + i),
  )
  const short = await joined(t, 3, { history: 250 })
  await settled()
  assert.deepEqual(short.seen.messages, [1, 2, 3])
})

test('who is there is compared after a lost connection, and changes are told', async (t) => {
  const { log, wire, seen, reconnect, room } = await joined(t)
  assert.deepEqual([...room.presence], ['ann'])
  wire.notify('rooms.presence', { room: 'tea', user: 'bert', online: true })
  wire.notify('rooms.presence', { room: 'tea', user: 'carl', online: true })
  wire.notify('rooms.presence', { room: 'tea', user: 'carl', online: false })
  seen.told.length = 0
  log.presence = ['ann', 'dora']
  await reconnect()
  assert.deepEqual([...room.presence].sort(), ['ann', 'dora'])
  assert.deepEqual(seen.told, [
    ['presence', { user: 'bert', online: false }],
    ['presence', { user: 'dora', online: true }],
    ['resumed', { recovered: true }],
  ])
})

test('signals, progress and read markers reach the room that they are for', async (t) => {
  const { wire, room } = await joined(t)
  const told: unknown[] = []
  for (const name of ['signal', 'read', 'progress'] as const) room.on(name, (event: object) => told.push(event))
  wire.notify('rooms.signal', { room: 'tea', from: 'bert', signal: 'types' })
  wire.notify('rooms.signal', { room: 'other', from: 'bert', signal: 'types' })
  wire.notify('rooms.read', { room: 'tea', user: 'bert', offset: 3 })
  assert.deepEqual(room.marker, { read: 0, unread: 0 })
  wire.notify('rooms.read', { room: 'tea', user: 'ann', offset: 3, unread: 2 })
  wire.notify('rooms.progress', { room: 'tea', task: 't', progress: 0.5 })
  assert.deepEqual(room.marker, { read: 3, unread: 2 })
  assert.deepEqual(told, [
    { from: 'bert', signal: 'types' },
    { user: 'bert', offset: 3 },
    { user: 'ann', offset: 3, unread: 2 },
    { task: 't', progress: 0.5 },
  ])
})

test('a join that is refused is an error, at first', async (t) => {
  const { nitka, server, live } = start(t)
  server.on('rooms.join', () => {
    throw new Refusal('forbidden')
  })
  await live()
  assert.equal(await codeOf(nitka.rooms.join('tea')), 'forbidden')
  new FakeLog(server)
  await nitka.rooms.join('tea')
})

test('a join that is refused later ends the room, its listeners and its loops', async (t) => {
  const { server, room, seen, reconnect } = await joined(t)
  const loop = watched(room.messages().next())
  server.on('rooms.join', () => {
    throw new Refusal('forbidden')
  })
  await reconnect()
  assert.deepEqual(seen.told, [['left', 'forbidden']])
  assert.equal(loop.error.code, 'forbidden')
})

test('a join that is refused for now is tried again, at first and later', async (t) => {
  const { nitka, server, live, pass, reconnect } = start(t)
  let refusals = 2
  const log = new FakeLog(server)
  server.on('rooms.join', ({ since }) => {
    if (refusals-- > 0) throw new Refusal('unavailable')
    return log.joined(since)
  })
  await live()
  const room = watched(nitka.rooms.join('tea'))
  await pass(1_999)
  assert.equal(room.done, false)
  await pass(1)
  const seen = listen(room.value as Room<number>)
  refusals = 1
  log.add()
  await reconnect()
  assert.deepEqual(seen.messages, [])
  await pass(1_000)
  assert.deepEqual(seen.messages, [1])
})

test('one whose membership ended is told that the room is over', async (t) => {
  const { wire, seen, room } = await joined(t)
  wire.notify('rooms.removed', { room: 'tea', user: 'bert' })
  assert.deepEqual(seen.told, [['removed', { user: 'bert' }]])
  const loop = watched(room.messages().next())
  await settled()
  wire.notify('rooms.removed', { room: 'tea', user: 'ann' })
  await settled()
  assert.deepEqual(seen.told.slice(1), [
    ['removed', { user: 'ann' }],
    ['left', 'forbidden'],
  ])
  assert.equal(loop.error.code, 'forbidden')
})

test('a room can be left, also while it is being joined, and joined again', async (t) => {
  const { nitka, server, wire, room, seen, log } = await joined(t)
  room.leave()
  room.leave()
  log.tell(wire)
  await settled()
  assert.deepEqual([seen.messages, seen.told], [[], [['left', {}]]])
  assert.equal(wire.calls('rooms.leave').length, 1)
  server.answerers.delete('rooms.join')
  const stop = new AbortController()
  const joining = watched(nitka.rooms.join('tea', { signal: stop.signal }))
  await settled()
  stop.abort()
  await settled()
  assert.equal(joining.error.code, 'aborted')
  assert.equal(wire.calls('rooms.leave').length, 2)
  const again = watched(nitka.rooms.join('tea'))
  wire.answer('rooms.join', log.joined(undefined))
  await settled()
  assert.equal(again.done, false)
  wire.answer('rooms.join', log.joined(undefined))
  await settled()
  assert.ok(again.value !== undefined && again.value !== room)
})

test('of two who join one room, one can stop waiting alone', async (t) => {
  const { nitka, server, live } = start(t)
  const wire = await live()
  const stop = new AbortController()
  const first = watched(nitka.rooms.join('tea'))
  const second = watched(nitka.rooms.join('tea', { signal: stop.signal }))
  await settled()
  stop.abort()
  await settled()
  assert.equal(second.error?.code, 'aborted')
  assert.equal(first.done, false)
  wire.answer('rooms.join', new FakeLog(server).joined(undefined))
  await settled()
  assert.ok(first.value)
})

test('closing the client ends its rooms, and joins that wait', async (t) => {
  const { nitka, server, seen, room } = await joined(t)
  server.answerers.delete('rooms.join')
  const waiting = watched(nitka.rooms.join('other'))
  const loop = watched(room.messages().next())
  await settled()
  nitka.close()
  await settled()
  assert.deepEqual(seen.told, [['left', {}]])
  assert.equal(waiting.error.code, 'closed')
  assert.equal(loop.value?.done, true)
  assert.equal(await codeOf(nitka.rooms.join('tea')), 'closed')
})

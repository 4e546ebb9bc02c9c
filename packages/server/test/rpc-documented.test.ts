// What the documents say is what travels: every result, every notification, every HTTP answer is checked against the
// schema that describes it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CallName, calls, compileCheck, type NotificationName, notifications } from '@nitka/protocol/schemas'
import type { Client } from '../testing/client.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

function checked<Name extends string>(checks: Record<Name, (value: unknown) => unknown>, name: Name, value: unknown) {
  try {
    checks[name](value)
  } catch (error) {
    assert.fail(`${name}: ${(error as Error).message} in ${JSON.stringify(value)}`)
  }
}

const results = Object.fromEntries(
  Object.entries(calls).map(([name, { result }]) => [name, compileCheck(result)]),
) as unknown as Record<CallName, (value: unknown) => unknown>
const notes = Object.fromEntries(
  Object.entries(notifications).map(([name, { params }]) => [name, compileCheck(params)]),
) as unknown as Record<NotificationName, (value: unknown) => unknown>

test('every call answers, and every notification says, what its schema promises', async (t) => {
  const clock = new SimulatedClock()
  const { connect, server } = await start(t, { requestMs: 500 }, { world: stillWorld(clock) })
  const ann = await connect('/ws?user=ann&device=phone', rpc)
  const bert = await connect('/ws?user=bert', rpc)
  const called = new Set<string>()
  const call = async (client: Client, method: CallName, params: object = {}): Promise<any> => {
    const result = await client.call(method, params)
    checked(results, method, result)
    called.add(method)
    return result
  }
  await call(ann, 'session.hello', { version: 1, device: 'phone' })
  await call(ann, 'session.ping')
  await call(ann, 'relay.join', { channel: 'c' })
  await call(bert, 'relay.join', { channel: 'c' })
  await call(bert, 'relay.publish', { channel: 'c', message: { x: [1] } })
  await call(ann, 'relay.leave', { channel: 'c' })
  await call(ann, 'direct.resume')
  const sent = await call(bert, 'direct.send', { to: 'ann', message: 'hi', clientId: 'i' })
  await call(bert, 'direct.send', { to: 'ann', message: 'hi', clientId: 'i' })
  await server.direct.sendUser({ fromUser: 7, toUser: 'ann', message: 0 })
  await server.direct.sendSystem({ toUser: 'ann', message: { a: 1 }, data: [2] })
  await server.direct.sendSystem({ toUser: 'ann', message: false })
  await call(ann, 'direct.ack', { offset: 1 })
  await call(ann, 'direct.read', { offset: 2 })
  await call(ann, 'direct.resume', { since: { offset: 0 } })
  await call(ann, 'direct.resume', { since: { offset: 99 } })
  await call(ann, 'direct.history', { with: 'bert', limit: 1 })
  await call(ann, 'direct.history', { after: 0, limit: 2 })
  await call(ann, 'session.trace', { id: sent.id })
  await call(ann, 'rooms.create', { name: 'Tea', id: 'tea', open: true })
  await call(ann, 'rooms.list')
  await call(ann, 'rooms.join', { room: 'tea' })
  await call(ann, 'rooms.add', { room: 'tea', user: 'carl' })
  await call(bert, 'rooms.join', { room: 'tea', since: { offset: 0 } })
  const entry = await call(bert, 'rooms.send', { room: 'tea', message: '\ud800', clientId: '"' })
  await call(bert, 'rooms.send', { room: 'tea', message: [null] })
  await call(ann, 'rooms.join', { room: 'tea', since: { offset: 0 } })
  await call(ann, 'rooms.join', { room: 'tea', since: { offset: 3 } })
  await call(ann, 'rooms.read', { room: 'tea', offset: 1 })
  await call(bert, 'rooms.signal', { room: 'tea', signal: { typing: true } })
  await call(ann, 'rooms.history', { room: 'tea', limit: 1 })
  await call(ann, 'rooms.members', { room: 'tea', limit: 1 })
  await call(ann, 'rooms.presence', { room: 'tea' })
  await call(ann, 'session.trace', { id: entry.id, room: 'tea' })
  await tasks(call, ann, bert)
  await requests(call, ann, bert, clock)
  await pools(call, ann)
  await call(bert, 'rooms.leave', { room: 'tea' })
  await call(ann, 'rooms.remove', { room: 'tea', user: 'carl' })
  await call(ann, 'session.ping')
  assert.deepEqual([...called].sort(), Object.keys(calls).sort())
  await server.stop(0)
  const heard = new Set<string>()
  for (const text of [...ann.arrived, ...bert.arrived]) {
    const { method, params } = JSON.parse(String(text)) as { method: NotificationName; params: unknown }
    checked(notes, method, params)
    heard.add(method)
  }
  const unheard = Object.keys(notifications).filter((name) => !heard.has(name))
  assert.deepEqual(unheard, ['session.missing'], 'that one needs a damaged store')
})

async function requests(call: Call, ann: Client, bert: Client, clock: SimulatedClock): Promise<void> {
  await call(bert, 'requests.execute', { type: 'double', concurrency: 2 })
  const asked = call(ann, 'requests.call', { type: 'double', payload: 21 })
  const id = await heard(bert, 'requests.execute')
  await call(bert, 'requests.result', { id, result: 42 })
  assert.equal((await asked).result, 42)
  await call(ann, 'requests.queue')
  const late = assert.rejects(ann.call('requests.call', { type: 'double', payload: 'late' }), { code: 'timeout' })
  await bert.until(() => bert.arrived.some((text) => String(text).includes('"late"')), 'the request')
  clock.advance(500)
  await late
  await bert.until(() => bert.arrived.some((text) => String(text).includes('requests.cancel')), 'the cancel')
  await call(bert, 'requests.stop', { type: 'double' })
}

async function heard(client: Client, method: string): Promise<number> {
  const find = () => client.arrived.map((text) => JSON.parse(String(text))).findLast((note) => note.method === method)
  await client.until(() => find() !== undefined, method)
  return find().params.id
}

async function pools(call: Call, ann: Client): Promise<void> {
  await call(ann, 'pools.add', { pool: 'p', resources: ['a', { id: 'b', data: { seat: 2 } }] })
  const { hold, token } = await call(ann, 'pools.acquire', { pool: 'p', count: 2, ttl: 60_000, wait: 10 })
  await call(ann, 'pools.renew', { hold, ttl: 90_000, token })
  await call(ann, 'pools.attach', { hold })
  await call(ann, 'pools.check', { pool: 'p', resource: 'a', token })
  await call(ann, 'pools.status', { pool: 'p' })
  await call(ann, 'pools.list')
  await call(ann, 'pools.release', { hold })
  const slot = { from: '2040-01-01T10:00:00Z', to: '2040-01-01T11:00:00Z' }
  const { booking } = await call(ann, 'pools.book', { pool: 'p', ...slot, note: 'tea' })
  await call(ann, 'pools.calendar', { pool: 'p', ...slot })
  await call(ann, 'pools.cancel', { booking })
  await call(ann, 'pools.remove', { pool: 'p', resources: ['a'] })
}

type Call = (client: Client, method: CallName, params?: object) => Promise<any>

async function tasks(call: Call, ann: Client, bert: Client): Promise<void> {
  await call(bert, 'tasks.work', { queue: 'mail', batch: 2 })
  const wish = { payload: { to: 'x' }, queue: 'mail', key: 'k', group: 'g', priority: 1, lease: 60_000, room: 'tea' }
  const { tasks: added } = await call(ann, 'tasks.add', { tasks: [wish, { ...wish, key: 'l', backoff: 60_000 }] })
  await call(ann, 'tasks.add', { tasks: [wish] })
  const leased: { id: string; token: string }[] = []
  await bert.until(() => {
    for (const text of bert.arrived) {
      const { method, params } = JSON.parse(String(text))
      if (method === 'tasks.batch') leased.push(...params.tasks)
    }
    return leased.length >= 2
  }, 'two leases')
  const [one, two] = added.map(({ id }: { id: string }) => leased.find((lease) => lease.id === id))
  await call(bert, 'tasks.extend', { id: one.id, token: one.token, lease: 90_000 })
  await call(bert, 'tasks.progress', { id: one.id, token: one.token, progress: { percent: 5 } })
  await call(ann, 'tasks.get', { id: one.id })
  await call(ann, 'tasks.list', { queue: 'mail', state: 'leased' })
  const failed = [{ id: two.id, token: two.token, reason: 'no' }]
  await call(bert, 'tasks.report', { failed, done: ['dc0d88oroq31h5rfj6i0'] })
  await call(ann, 'tasks.bury', { id: one.id, reason: 'enough' })
  await call(ann, 'tasks.bury', { id: two.id })
  await call(ann, 'tasks.dead', { queue: 'mail' })
  await call(ann, 'tasks.configure', { queue: 'mail', settings: { paused: true } })
  await call(ann, 'tasks.retry', { id: one.id })
  await call(ann, 'tasks.drop', { id: two.id })
  await call(ann, 'tasks.queues')
  await call(bert, 'tasks.stop', { queue: 'mail' })
}

test('what a notification would answer is never sent, right or wrong, whatever it asks for', async (t) => {
  const { connect, server } = await start(t)
  const ann = await connect('/ws?user=ann', rpc)
  for (const method of [...Object.keys(calls), 'no.such', '__proto__']) {
    for (const params of [{}, [], null, 7, { room: 'none' }, { to: 'bert', message: method }]) {
      ann.send({ jsonrpc: '2.0', method, params })
    }
  }
  await ann.call('direct.send', { to: 'bert', message: 'fence' })
  const answers = ann.arrived.map((text) => JSON.parse(String(text))).filter((value) => 'id' in value)
  assert.deepEqual(answers, [], 'what was joined is told, no call is answered')
  const { entries } = await server.direct.history('bert', {})
  assert.deepEqual(
    entries.map(({ body }) => JSON.parse(body).message),
    ['direct.send', 'fence'],
    'done, though not answered',
  )
})

test('ids come back as they were sent, and odd ones as null', async (t) => {
  const { connect } = await start(t)
  const ann = await connect('/ws?user=ann', rpc)
  const ids: [unknown, unknown][] = [
    [0, 0],
    [-1.5, -1.5],
    ['', ''],
    ['"\u0000\ud800', '"\u0000\ud800'],
    [null, null],
    [true, null],
    [{}, null],
    [[1], null],
  ]
  for (const [id] of ids) ann.send({ jsonrpc: '2.0', id, method: 'session.ping' })
  const answers = (await ann.take(ids.length)).map((text) => JSON.parse(String(text)))
  answers.forEach((answer, i) => {
    assert.deepEqual(answer.id, ids[i]?.[1])
    assert.ok(answer.result.time)
  })
})

test('a key __proto__ is refused at every depth and place, constructor is a key like any other', async (t) => {
  const { connect, ask, server } = await start(t)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  const own = await connect('/ws?user=ann', rpc)
  const plain = await connect('/ws?user=ann')
  const room = await connect('/rooms/tea/ws?user=ann')
  const before = Object.getOwnPropertyNames(Object.prototype).sort()
  for (let depth = 0; depth < 28; depth += 3) {
    const bad = `${'{"a":'.repeat(depth)}{"__proto__":{"polluted":1}}${'}'.repeat(depth)}`
    own.send(`{"jsonrpc":"2.0","id":1,"method":"direct.send","params":{"to":"b","message":${bad}}}`)
    assert.equal((await own.json()).error.code, -32700)
    plain.send(`{"fromUser":"ann","toUser":"b","message":${bad}}`)
    assert.match(String((await plain.take(1))[0]), /^error: .*__proto__/)
    room.send(`{"message":${bad}}`)
    assert.match(String((await room.take(1))[0]), /^error: .*__proto__/)
    assert.equal((await ask('POST', '/messages/system', `{"toUser":"b","message":${bad}}`)).status, 400)
  }
  assert.equal((await server.direct.history('b', {})).entries.length, 0)
  const odd = JSON.parse('{"constructor":{"prototype":{"polluted":1}},"toString":1}')
  await own.call('direct.send', { to: 'b', message: odd })
  const [stored] = (await ask('GET', '/ws/history?user=b')).body.messages
  assert.deepEqual(stored.message, odd)
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype).sort(), before)
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})

test('the limits of depth and keys are exact, in every dialect', async (t) => {
  const { connect, ask } = await start(t)
  const plain = await connect('/ws?user=ann')
  /** A send whose JSON is `depth` deep as a whole. */
  const deep = (depth: number): string =>
    `{"fromUser":"ann","toUser":"b","message":${'['.repeat(depth - 1)}1${']'.repeat(depth - 1)}}`
  const wide = (keys: number): string =>
    `{"fromUser":"ann","toUser":"b","message":{${Array.from({ length: keys - 3 }, (_, i) => `"${i}":0`).join()}}}`
  for (const text of [deep(32), wide(1_000)]) {
    plain.send(text)
    assert.deepEqual(await plain.take(1), ['ok'])
    assert.equal((await ask('POST', '/messages/user', text)).status, 201)
  }
  for (const text of [deep(33), wide(1_001)]) {
    plain.send(text)
    assert.match(String((await plain.take(1))[0]), /^error: JSON (is nested deeper|has more)/)
    assert.equal((await ask('POST', '/messages/user', text)).status, 400)
  }
})

// Several nodes on a real Postgres and a real NATS: what one node stores, clients of the others get.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SignJWT } from 'jose'
import postgres from 'postgres'
import type { Server } from '../src/server.ts'
import { noCluster, startCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import { ask, connect } from '../testing/server.ts'

const skip = noCluster() ?? false
const secret = 'a secret of at least thirty-two bytes'

async function two(t: TestContext) {
  const cluster = await startCluster(t, { leaseMs: 60_000 })
  const [one, other] = await Promise.all([cluster.node(), cluster.node()])
  return { ...cluster, one, other }
}

/** A socket is open before it has joined; who has not hears nothing of what is stored meanwhile. */
function joined(node: Server, count: number): Promise<void> {
  return eventually(async () => (await node.rooms.present('ann', 'tea')).length === count, `${count} have joined`)
}

test('nodes that start together on an empty database make its schema once, and serve the same', { skip }, async (t) => {
  const cluster = await startCluster(t)
  const nodes = await Promise.all(Array.from({ length: 4 }, () => cluster.node()))
  const [one, , , last] = nodes
  const made = await ask(one!.url, 'POST', '/rooms?user=ann', { name: 'Tea', open: true })
  assert.equal(made.status, 201)
  for (const { url } of nodes) {
    const { status, body } = await ask(url, 'GET', `/rooms/${made.body.id}?user=ann`)
    assert.deepEqual([status, body], [200, made.body])
  }
  const ready = await ask(last!.url, 'GET', '/readyz')
  assert.deepEqual(ready.body, { status: 'ready', durability: 'relaxed' })
})

test('a room is one room on all nodes: messages, history, and offsets without a gap under writers on both', {
  skip,
}, async (t) => {
  const { one, other } = await two(t)
  await one.rooms.create('ann', { name: 'Tea', id: 'tea', open: true })
  const [near, far] = await Promise.all([
    connect(t, one.url, '/rooms/tea/ws?user=ann'),
    connect(t, other.url, '/rooms/tea/ws?user=bob'),
  ])
  await joined(one, 2)
  await Promise.all(
    Array.from({ length: 300 }, (_, i) =>
      i % 2 === 0 ? one.rooms.send('ann', 'tea', i, `a${i}`) : other.rooms.send('bob', 'tea', i, `b${i}`),
    ),
  )
  const [seenNear, seenFar] = [await near.jsons(300), await far.jsons(300)]
  assert.deepEqual(
    seenFar.map(({ offset }) => offset),
    Array.from({ length: 300 }, (_, i) => i + 1),
  )
  assert.deepEqual(seenNear, seenFar)
  const repeated = await other.rooms.send('ann', 'tea', 0, 'a0')
  assert.equal(repeated.repeated, true)
  const { body } = await ask(other.url, 'GET', '/rooms/tea/messages?user=bob&after=290')
  assert.deepEqual(
    body.messages.map(({ offset }: { offset: number }) => offset),
    [291, 292, 293, 294, 295, 296, 297, 298, 299, 300],
  )
})

test('a direct message reaches a user on another node, and waits for one who is nowhere', { skip }, async (t) => {
  const { one, other } = await two(t)
  const bob = await connect(t, other.url, '/ws?user=bob')
  const ann = await connect(t, one.url, '/ws?user=ann')
  ann.send({ fromUser: 'ann', toUser: 'bob', message: 'hi' })
  assert.equal((await ann.take(1))[0], 'ok')
  assert.equal((await bob.json()).message, 'hi')
  ann.send({ fromUser: 'ann', toUser: 'eve', message: 'later' })
  assert.equal((await ann.take(1))[0], 'ok')
  const eve = await connect(t, other.url, '/ws?user=eve')
  assert.equal((await eve.json()).message, 'later')
})

test('what a client of one node sends into a channel goes to the clients of all nodes, unchanged and in order', {
  skip,
}, async (t) => {
  const { one, other } = await two(t)
  const [sender, near, far] = await Promise.all([
    connect(t, one.url, '/relay/draw?user=a'),
    connect(t, one.url, '/relay/draw?user=b'),
    connect(t, other.url, '/relay/draw?user=c'),
  ])
  // Nothing is promised for the moment before a node has told the bus what it wants to hear.
  await eventually(async () => {
    sender.send('first')
    await new Promise((resolve) => setTimeout(resolve, 20))
    return far.arrived.length > 0
  }, 'the bus carries the channel')
  near.arrived.length = 0
  far.arrived.length = 0
  for (let i = 0; i < 200; i++) sender.send(i % 3 === 0 ? Buffer.from([i]) : `m${i}`)
  const wanted = Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? Buffer.from([i]) : `m${i}`))
  const later = (client: typeof near) => client.arrived.filter((message) => message !== 'first')
  const after = async (client: typeof near) => {
    await client.until(() => later(client).length >= 200, 'all that came later')
    return later(client)
  }
  assert.deepEqual(await after(near), wanted)
  assert.deepEqual(await after(far), wanted)
  assert.deepEqual(sender.arrived, [])
})

test('tasks that are added on one node go to a worker on another, once', { skip }, async (t) => {
  const { one, other } = await two(t)
  const stream = await fetch(`${other.url}/task?batchsize=10&user=w`)
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
  t.after(() => reader.cancel())
  const ids = (await one.tasks.add(Array.from({ length: 10 }, (_, n) => ({ payload: { n } })))).map(({ id }) => id)
  let text = ''
  while ((text.match(/^data: /gm) ?? []).length < 10) text += (await reader.read()).value ?? ''
  const got = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data).Id as string)
  assert.deepEqual(got.toSorted(), ids.toSorted())
  const report = await ask(one.url, 'POST', '/report?user=w', got)
  assert.deepEqual([report.status, report.body.done], [200, 10])
  assert.equal((await other.tasks.get(got[0]!)).state, 'done')
})

test('sends and tasks of a batch happen all or not at all', { skip }, async (t) => {
  const { one, other } = await two(t)
  await one.rooms.create('ann', { name: 'Tea', id: 'tea' })
  const operations = (clientId: string, message: string) => [
    { room: { room: 'tea', from: 'ann', message, clientId } },
    { task: { payload: { message }, key: `key-${message}` } },
  ]
  const first = await ask(one.url, 'POST', '/batch?user=ann', { operations: operations('c1', 'x') })
  assert.equal(first.status, 201, JSON.stringify(first.body))
  // The id of the message was used for another one, so the task is not added either; then the key of the task.
  const second = await ask(other.url, 'POST', '/batch?user=ann', { operations: operations('c1', 'y') })
  assert.equal(second.status, 409)
  await other.tasks.add({ payload: { message: 'other' }, key: 'key-z' })
  const third = await ask(one.url, 'POST', '/batch?user=ann', { operations: operations('c3', 'z') })
  assert.equal(third.status, 409)
  const again = await ask(other.url, 'POST', '/batch?user=ann', { operations: operations('c1', 'x') })
  assert.equal(again.status, 201)
  for (const operation of operations('c1', 'x')) {
    const alone = await ask(other.url, 'POST', '/batch?user=ann', { operations: [operation] })
    assert.equal(alone.status, 201, JSON.stringify(alone.body))
  }
  const { body } = await ask(other.url, 'GET', '/rooms/tea/messages?user=ann')
  assert.deepEqual(
    body.messages.map(({ message }: { message: string }) => message),
    ['x'],
  )
  const { tasks } = await other.tasks.list({ queue: 'default', limit: 10 })
  assert.deepEqual(tasks.map(({ payload }) => JSON.parse(payload).message).sort(), ['other', 'x'])
})

test('what an application stores in its own transaction is delivered after its commit, and never after its rollback', {
  skip,
}, async (t) => {
  const { one, other, url } = await two(t)
  await one.rooms.create('ann', { name: 'Tea', id: 'tea' })
  await one.rooms.addMember('ann', 'tea', 'bob')
  const room = await connect(t, one.url, '/rooms/tea/ws?user=ann')
  const inbox = await connect(t, other.url, '/ws?user=bob')
  await joined(one, 1)
  const sql = postgres(url, { max: 2 })
  t.after(() => sql.end())
  await assert.rejects(
    sql.begin(async (own) => {
      await own`select nitka.send_room('tea', '', '"never"')`
      await own`select nitka.send_system('bob', '"never"')`
      await own`select nitka.add_task('{"never":true}')`
      throw new Error('changed my mind')
    }),
  )
  await sql.begin(async (own) => {
    await own`create table orders (id int)`
    await own`insert into orders values (1)`
    await own`select nitka.send_room('tea', 'bob', ${own.json({ order: 1 })}, 'order-1')`
    await own`select nitka.send_direct('ann', 'bob', '"shipped"')`
    await own`select nitka.send_system('bob', '"paid"', '{"order":1}')`
    await own`select nitka.add_task('{"order":1}', queue => 'print', key => 'order-1')`
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.deepEqual([room.arrived, inbox.arrived], [[], []])
  })
  const entry = await room.json()
  assert.deepEqual([entry.offset, entry.from, entry.message, entry.clientId], [1, 'bob', { order: 1 }, 'order-1'])
  const [direct, system] = await inbox.jsons(2)
  assert.deepEqual([direct.fromUser, direct.message, direct.offset], ['ann', 'shipped', 1])
  assert.deepEqual([system.system, system.message, system.data, system.offset], [true, 'paid', { order: 1 }, 2])
  const [again] = await sql`select * from nitka.send_room('tea', 'bob', ${sql.json({ order: 1 })}, 'order-1')`
  assert.deepEqual([again?.repeated, Number(again?.offset), again?.id], [true, 1, entry.id])
  await eventually(() => other.tasks.queues().some(({ queue, ready }) => queue === 'print' && ready === 1), 'the task')
  const wrong: [string, string][] = [
    ["select nitka.send_room('none', '', '1')", 'NK404'],
    ["select nitka.send_room('tea', 'eve', '1')", 'NK403'],
    ["select nitka.send_room('tea', null, '1')", 'NK400'],
    ["select nitka.send_room('tea', '', 'null')", 'NK400'],
    ["select nitka.send_room('tea', 'bob', '2', 'order-1')", 'NK409'],
    [`select nitka.send_room('tea', '', to_jsonb(repeat('x', 65537)))`, 'NK413'],
    ["select nitka.send_direct('', 'bob', '1')", 'NK400'],
    ["select nitka.send_system('bob', '1', 'null')", 'NK400'],
    ["select nitka.add_task('[]')", 'NK400'],
    ["select nitka.add_task('{}', queue => 'a b')", 'NK400'],
    ["select nitka.add_task('{}', max_attempts => 0)", 'NK400'],
    ["select nitka.add_task('{}', queue => 'print', key => 'order-1')", 'NK409'],
  ]
  for (const [text, code] of wrong) await assert.rejects(sql.unsafe(text), { code }, text)
})

test('a node without a bus still serves, says so, and hears of everything in the end', { skip }, async (t) => {
  const { one, other, nats } = await two(t)
  await one.rooms.create('ann', { name: 'Tea', id: 'tea', open: true })
  const far = await connect(t, other.url, '/rooms/tea/ws?user=bob')
  const near = await connect(t, one.url, '/rooms/tea/ws?user=ann')
  await joined(one, 2)
  await nats.kill()
  const reason = async (url: string) => (await ask(url, 'GET', '/readyz')).body.reason ?? ''
  for (const { url } of [one, other]) await eventually(async () => /the bus/.test(await reason(url)), 'it says so')
  await one.rooms.send('ann', 'tea', 'late')
  assert.equal((await near.json()).message, 'late')
  assert.equal((await far.json()).message, 'late')
  await nats.start()
  await eventually(async () => (await reason(one.url)) + (await reason(other.url)) === '', 'the bus is back')
  await one.rooms.send('ann', 'tea', 'soon')
  assert.equal((await far.json()).message, 'soon')
})

test('without Postgres nothing is confirmed, and everything goes on when it is back', { skip }, async (t) => {
  const { one, other, postgres: database } = await two(t)
  await one.rooms.create('ann', { name: 'Tea', id: 'tea', open: true })
  const far = await connect(t, other.url, '/rooms/tea/ws?user=bob')
  await joined(one, 1)
  await one.rooms.send('ann', 'tea', 1, 'c1')
  assert.equal((await far.json()).message, 1)
  await database.kill()
  await assert.rejects(one.rooms.send('ann', 'tea', 2, 'c2'), { code: 'unavailable' })
  await eventually(async () => (await ask(one.url, 'GET', '/readyz')).status === 503, 'it is not ready')
  await database.start()
  await eventually(async () => (await ask(one.url, 'GET', '/readyz')).status === 200, 'it is ready')
  assert.equal((await one.rooms.send('ann', 'tea', 2, 'c2')).offsets[0], 2)
  assert.equal((await far.json()).message, 2)
})

test('a ticket of one node is good on another, once', { skip }, async (t) => {
  const { node } = await startCluster(t, { authMode: 'jwt', authSecret: secret })
  const [one, other] = await Promise.all([node(), node()])
  const token = await new SignJWT({ sub: 'w', nitka: ['tasks.work'], exp: Math.floor(Date.now() / 1_000) + 600 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(secret))
  const get = async (): Promise<string> => {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await fetch(`${one.url}/tickets`, { method: 'POST', headers })
    return ((await answer.json()) as { ticket: string }).ticket
  }
  const use = async (ticket: string): Promise<number> => {
    const answer = await fetch(`${other.url}/task?batchsize=1&ticket=${ticket}`)
    await answer.body?.cancel()
    return answer.status
  }
  let ticket = ''
  await eventually(async () => {
    ticket = await get()
    return (await use(ticket)) === 200
  }, 'the nodes know each other')
  assert.equal(await use(ticket), 401)
  const last = await get()
  await one.stop(0)
  assert.equal(await use(last), 401)
})

test('one of the two addresses alone, or one that is none, is refused in one line', { skip }, async (t) => {
  const { node, url } = await startCluster(t)
  await assert.rejects(node({ natsUrl: '' }), { code: 'invalid', message: /belong together/ })
  await assert.rejects(node({ postgresUrl: 'mysql://a' }), {
    code: 'invalid',
    message: /postgresUrl must be .*postgres:/,
  })
  await assert.rejects(node({ natsUrl: 'localhost:4222' }), { code: 'invalid', message: /natsUrl must be/ })
  const nobody = url.replace('nitka@', 'nobody:secret@')
  await assert.rejects(node({ postgresUrl: nobody }), ({ message }: Error) => {
    assert.match(message, /cannot use Postgres at 127\.0\.0\.1:\d+/)
    assert.doesNotMatch(message, /secret/)
    return true
  })
  await assert.rejects(node({ natsUrl: 'nats://127.0.0.1:1' }), { message: /cannot use NATS at 127\.0\.0\.1:1/ })
})

// What is live in rooms and direct chats, for users whose connections are on different nodes.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { eventually } from '../testing/eventually.ts'
import { twoServers } from '../testing/nodes.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

function methods(arrived: readonly (string | Buffer)[]): string[] {
  return arrived.map((text) => JSON.parse(String(text)).method)
}

test('presence is of all nodes: in joins, in what is told, and for whoever asks', async (t) => {
  const { one, two } = await twoServers(t)
  await one.server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const ann = await one.connect('/ws?user=ann', rpc)
  assert.deepEqual((await ann.call('rooms.join', { room: 'tea' })).presence, ['ann'])
  await eventually(
    async () => (await two.ask('GET', '/rooms/tea/presence?user=ann')).body.presence.length === 1,
    'a node with nobody in the room',
  )
  const bert = await two.connect('/ws?user=bert', rpc)
  assert.deepEqual((await bert.call('rooms.join', { room: 'tea' })).presence, ['ann', 'bert'])
  assert.deepEqual((await ann.json()).params, { room: 'tea', user: 'bert', online: true })
  bert.close()
  assert.deepEqual((await ann.json()).params, { room: 'tea', user: 'bert', online: false })
  assert.deepEqual((await one.ask('GET', '/rooms/tea/presence?user=ann')).body.presence, ['ann'])
})

test('signals, read markers and the progress of tasks are heard on other nodes', async (t) => {
  const { one, two } = await twoServers(t)
  await one.server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const ann = await one.connect('/ws?user=ann', rpc)
  const bert = await two.connect('/ws?user=bert', rpc)
  const phone = await one.connect('/ws?user=bert&device=phone', rpc)
  await ann.call('rooms.join', { room: 'tea' })
  await bert.call('rooms.join', { room: 'tea' })
  await phone.call('session.hello')
  await ann.json()
  await one.server.rooms.send('ann', 'tea', 'read me')
  await Promise.all([ann.json(), bert.json()])
  await ann.call('rooms.signal', { room: 'tea', signal: { typing: true } })
  assert.deepEqual((await bert.json()).params, { room: 'tea', from: 'ann', signal: { typing: true } })
  assert.equal((await ann.json()).method, 'rooms.signal')
  await bert.call('rooms.read', { room: 'tea', offset: 1 })
  assert.deepEqual((await ann.json()).params, { room: 'tea', user: 'bert', offset: 1 })
  assert.deepEqual((await phone.json()).params, { room: 'tea', user: 'bert', offset: 1, unread: 0 })
  one.server.rooms.tellProgress('tea', { task: 't1', progress: 0.5 })
  await eventually(() => methods(bert.arrived).includes('rooms.progress'), 'progress')
  await one.server.direct.sendUser({ fromUser: 'ann', toUser: 'bert', message: 'psst' })
  await bert.call('direct.read', { offset: 1 })
  await eventually(() => methods(phone.arrived).includes('direct.read'), 'the marker of direct messages')
})

/** A room of one node, whose members Bert, with a plain connection too, and Cleo are on the other one. */
async function membersElsewhere(t: TestContext) {
  const { one, two } = await twoServers(t)
  await one.server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  for (const user of ['bert', 'cleo']) await one.server.rooms.addMember('ann', 'tea', user)
  const [plain, bert, cleo] = [
    await two.connect('/rooms/tea/ws?user=bert'),
    await two.connect('/ws?user=bert', rpc),
    await two.connect('/ws?user=cleo', rpc),
  ]
  await bert.call('rooms.join', { room: 'tea' })
  await cleo.call('rooms.join', { room: 'tea' })
  return { one, two, plain, bert, cleo }
}

test('a member that one node removes leaves on every node, and is told once', async (t) => {
  const { one, two, plain, bert, cleo } = await membersElsewhere(t)
  assert.equal(await one.server.rooms.removeMember('ann', 'tea', 'bert'), true)
  assert.equal((await plain.closed).code, 1008)
  await one.server.rooms.send('ann', 'tea', 'secret')
  await eventually(() => methods(cleo.arrived).includes('rooms.message'), 'what those who are left hear')
  await two.sweep()
  await Promise.all([bert.call('session.ping'), cleo.call('session.ping')])
  assert.deepEqual(
    methods(bert.arrived).filter((method) => method !== 'rooms.presence'),
    ['rooms.removed'],
  )
  assert.equal(methods(cleo.arrived).filter((method) => method === 'rooms.removed').length, 1)
  await assert.rejects(two.server.rooms.send('bert', 'tea', 'still here?'), { code: 'forbidden' })
})

test('a member leaves on every node also when the bus lost the word of the removal', async (t) => {
  const { one, two, plain, bert, cleo } = await membersElsewhere(t)
  one.bus.rules.lose = ['']
  await one.server.rooms.removeMember('ann', 'tea', 'bert')
  await eventually(() => one.bus.lost >= 2, 'the word to be lost')
  // The sweep of every 2 s finds it.
  assert.equal((await plain.closed).code, 1008)
  await two.sweep()
  await Promise.all([bert.call('session.ping'), cleo.call('session.ping')])
  for (const client of [bert, cleo]) {
    assert.equal(methods(client.arrived).filter((method) => method === 'rooms.removed').length, 1)
  }
  assert.deepEqual((await two.ask('GET', '/rooms/tea/presence?user=cleo')).body.presence, ['cleo'])
})

test('a removed member that comes back stays, whatever the sweep remembers', async (t) => {
  const { one, two } = await twoServers(t)
  await one.server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  await one.server.rooms.addMember('ann', 'tea', 'bert')
  await one.server.rooms.removeMember('ann', 'tea', 'bert')
  await one.server.rooms.addMember('ann', 'tea', 'bert')
  const bert = await two.connect('/ws?user=bert', rpc)
  await bert.call('rooms.join', { room: 'tea' })
  await two.sweep()
  assert.equal((await bert.call('rooms.send', { room: 'tea', message: 'back' })).offset, 1)
  await bert.json()
  assert.deepEqual(bert.arrived, [])
})

test('what both nodes write to a room is heard on both, once and in order, on a bus that loses', async (t) => {
  const { one, two } = await twoServers(t)
  await one.server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const [ann, bert] = [await one.connect('/ws?user=ann', rpc), await two.connect('/ws?user=bert', rpc)]
  await ann.call('rooms.join', { room: 'tea' })
  await bert.call('rooms.join', { room: 'tea' })
  const count = 60
  for (let i = 0; i < count; i++) {
    one.bus.rules.lose = i % 5 === 0 ? ['log.'] : []
    two.bus.rules.lose = i % 7 === 0 ? ['log.'] : []
    await Promise.all([
      ann.call('rooms.send', { room: 'tea', message: i }),
      bert.call('rooms.send', { room: 'tea', message: -i }),
    ])
  }
  const offsets = (arrived: readonly (string | Buffer)[]): number[] =>
    arrived.flatMap((text) => {
      const { method, params } = JSON.parse(String(text))
      return method === 'rooms.message' ? [params.offset] : []
    })
  for (const { arrived } of [ann, bert]) {
    await eventually(() => offsets(arrived).length >= 2 * count, 'all')
    assert.deepEqual(
      offsets(arrived),
      Array.from({ length: 2 * count }, (_, i) => i + 1),
    )
  }
})

test('relay clients on two nodes hear each other in order, with many frames in a message of the bus', async (t) => {
  const { one, two } = await twoServers(t)
  const [a, b] = [await one.connect('/relay/tea?user=a'), await two.connect('/relay/tea?user=b')]
  const count = 2_000
  for (let i = 0; i < count; i++) a.send(`${i}`)
  b.send('from b')
  await eventually(() => b.arrived.length === count, 'all')
  assert.deepEqual(
    b.arrived,
    Array.from({ length: count }, (_, i) => `${i}`),
  )
  await eventually(() => a.arrived.length === 1, 'the other way')
  const { partsOut, messagesOut } = one.server.relay.exchange.counts
  assert.equal(partsOut, count)
  assert.ok(messagesOut < count / 4, `${messagesOut} messages`)
})

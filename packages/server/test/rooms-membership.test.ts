// Membership while things are under way: removals that cross joins, calls that cross each other, stores that fail.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import { eventually } from '../testing/eventually.ts'
import { changedEngine, Held, replacing } from '../testing/late.ts'
import { start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

test('a removal that crosses a join ends it: nothing is heard, nobody is present', async (t) => {
  const held = new Held()
  const tools = changedEngine((engine) => ({
    rooms: replacing(engine.rooms, {
      isMember: async (id, user) => {
        const is = await engine.rooms.isMember(id, user)
        // That of the join itself; who may come in at all was asked before.
        return user === 'bert' ? held.pass(is) : is
      },
    }),
  }))
  const { connect, server, ask } = await start(t, {}, tools)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  await server.rooms.addMember('ann', 'tea', 'bert')
  const bert = await connect('/ws?user=bert', rpc)
  held.hold()
  const joining = assert.rejects(bert.call('rooms.join', { room: 'tea' }), { code: 'forbidden' })
  await held.holds()
  await server.rooms.removeMember('ann', 'tea', 'bert')
  held.release()
  await joining
  await server.rooms.send('ann', 'tea', 'secret')
  await bert.call('session.ping')
  assert.deepEqual(
    bert.arrived.map((text) => JSON.parse(String(text)).method),
    ['rooms.removed'],
  )
  assert.deepEqual((await ask('GET', '/rooms/tea/presence?user=ann')).body.presence, [])
})

test('a join that the store fails leaves nobody present and nothing followed', async (t) => {
  let failing = false
  const tools = changedEngine((engine) => ({
    logs: replacing(engine.logs, {
      cursors: (log, prefix) =>
        failing ? Promise.reject(new NitkaError('overloaded', 'too many reads')) : engine.logs.cursors(log, prefix),
    }),
  }))
  const { connect, server, ask } = await start(t, {}, tools)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const bert = await connect('/ws?user=bert', rpc)
  await bert.call('direct.resume')
  failing = true
  await assert.rejects(bert.call('rooms.join', { room: 'tea' }), { code: 'overloaded' })
  await assert.rejects(bert.call('direct.resume'), { code: 'overloaded' })
  failing = false
  assert.deepEqual((await ask('GET', '/rooms/tea/presence?user=ann')).body.presence, [])
  assert.match((await ask('GET', '/metrics')).body, /^nitka_log_followed 1$/m, 'the first resume alone')
  assert.equal((await bert.call('rooms.join', { room: 'tea' })).recovered, true)
})

test('joins that are asked for all at once do not pass the limit of subscriptions', async (t) => {
  const { connect, server, ask } = await start(t, { subscriptions: 3 })
  const rooms = Array.from({ length: 20 }, (_, i) => `room${i}`)
  for (const id of rooms) await server.rooms.create('ann', { id, name: id })
  const ann = await connect('/ws?user=ann', rpc)
  const answers = await Promise.allSettled(rooms.map((room) => ann.call('rooms.join', { room })))
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 3)
  for (const one of answers) if (one.status === 'rejected') assert.equal(one.reason.code, 'overloaded')
  await ann.call('rooms.leave', { room: 'room0' })
  await ann.call('rooms.join', { room: 'room9' })
  assert.match((await ask('GET', '/metrics')).body, /^nitka_rooms_present 3$/m)
})

test('a room that is left before the join was answered is left', async (t) => {
  const { connect, server, ask } = await start(t)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const bert = await connect('/ws?user=bert', rpc)
  const joined = bert.call('rooms.join', { room: 'tea' })
  await bert.call('rooms.leave', { room: 'tea' })
  await joined
  await server.rooms.send('ann', 'tea', 'unheard')
  await bert.call('session.ping')
  assert.deepEqual(bert.arrived, [])
  assert.deepEqual((await ask('GET', '/rooms/tea/presence?user=ann')).body.presence, [])
  await bert.call('rooms.join', { room: 'tea' })
  await server.rooms.send('ann', 'tea', 'heard')
  assert.equal((await bert.json()).params.message, 'heard')
})

test('a join over a join keeps one place, and the connection hears each message once', async (t) => {
  const { connect, server, ask } = await start(t)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const bert = await connect('/ws?user=bert', rpc)
  await Promise.all(Array.from({ length: 5 }, () => bert.call('rooms.join', { room: 'tea', since: { offset: 0 } })))
  await server.rooms.send('ann', 'tea', 'once')
  await server.rooms.send('ann', 'tea', 'fence')
  const heard = (await bert.jsons(2)).map(({ params }) => params.message)
  assert.deepEqual(heard, ['once', 'fence'])
  assert.match((await ask('GET', '/metrics')).body, /^nitka_log_followed 1$/m)
  await bert.call('rooms.leave', { room: 'tea' })
  assert.match((await ask('GET', '/metrics')).body, /^nitka_log_followed 0$/m)
  assert.deepEqual((await ask('GET', '/rooms/tea/presence?user=ann')).body.presence, [])
})

test('what a plain client sends as soon as its room opens comes back to it, however late the room was read', async (t) => {
  const held = new Held()
  const tools = changedEngine((engine) => ({
    logs: replacing(engine.logs, {
      read: async (log, range) => {
        await held.pass(undefined)
        return engine.logs.read(log, range)
      },
    }),
  }))
  const { connect, server } = await start(t, {}, tools)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  await server.rooms.send('ann', 'tea', 'before')
  held.hold()
  const bert = await connect('/rooms/tea/ws?user=bert')
  bert.send({ message: 'mine', clientId: 'c' })
  bert.send('heartbeat')
  assert.deepEqual(await bert.take(1), ['heartbeat'])
  await held.holds()
  await server.rooms.send('ann', 'tea', 'meanwhile')
  held.release()
  bert.send({ message: 'second' })
  await bert.until(() => String(bert.arrived.at(-1)).includes('second'), 'the second')
  const heard = bert.arrived.map((text) => JSON.parse(String(text)).message)
  assert.deepEqual(heard, ['mine', 'second'])
})

test('a name that no user can have becomes no member, over http and rpc alike', async (t) => {
  const { connect, ask } = await start(t)
  await ask('POST', '/rooms?user=ann', { name: 'Tea', id: 'tea' })
  const ann = await connect('/ws?user=ann', rpc)
  for (const user of ['a\nb', '\u0000', '\u007f', '\ud800', 'é'.repeat(65)]) {
    const { status, body } = await ask('POST', '/rooms/tea/members?user=ann', { user })
    assert.deepEqual([status, body.field], [400, 'user'], JSON.stringify(user))
    await assert.rejects(ann.call('rooms.add', { room: 'tea', user }), { code: 'invalid', field: 'user' })
  }
  for (const after of ['\u0000', '\ud800', '😀'.repeat(60)]) {
    for (const method of ['rooms.members', 'rooms.list']) {
      const params = method === 'rooms.list' ? { after } : { room: 'tea', after }
      await ann.call(method, params).catch((error) => assert.equal(error.code, 'invalid'))
    }
  }
  assert.deepEqual(
    (await ann.call('rooms.members', { room: 'tea' })).members.map(({ user }: { user: string }) => user),
    ['ann'],
  )
})

test('whoever writes into an open room over http has come into it; a closed one refuses', async (t) => {
  const { ask } = await start(t)
  for (const open of [true, false]) await ask('POST', '/rooms?user=ann', { name: 'x', id: `open-${open}`, open })
  const send = (room: string) => ask('POST', `/rooms/${room}/messages?user=bert`, { message: 'hi' })
  assert.equal((await ask('GET', '/rooms/open-true/messages?user=bert')).status, 403, 'reading is no coming')
  const [sent, refused, nowhere] = [await send('open-true'), await send('open-false'), await send('none')]
  assert.deepEqual([sent.status, sent.body.from, refused.status, nowhere.status], [201, 'bert', 403, 404])
  const { rooms } = (await ask('GET', '/rooms?user=bert')).body
  assert.deepEqual(
    rooms.map(({ id }: { id: string }) => id),
    ['open-true'],
  )
})

test('what became of a message of a room is told to its members by the id alone, and to nobody else', async (t) => {
  const { ask, connect } = await start(t, { roomsPerUser: 100 })
  for (let i = 0; i < 60; i++) await ask('POST', '/rooms?user=ann', { name: 'x', id: `r${i}` })
  const { id } = (await ask('POST', '/rooms/r9/messages?user=ann', { message: 'hi' })).body
  const stored = async (user: string): Promise<unknown> => {
    const client = await connect(`/ws?user=${user}`, rpc)
    const overHttp = (await ask('GET', `/trace/${id}?user=${user}`)).body
    assert.deepEqual(overHttp, await client.call('session.trace', { id }))
    return overHttp.stored && [overHttp.stored.log, overHttp.stored.offset, overHttp.stored.from]
  }
  assert.deepEqual(await stored('ann'), ['room:r9', 1, 'ann'])
  assert.equal(await stored('bert'), null)
})

test('only the creator removes others; whoever leaves is out on all connections; an open room takes them back', async (t) => {
  const { connect, ask, server } = await start(t)
  await ask('POST', '/rooms?user=ann', { name: 'Tea', id: 'tea', open: true })
  const plain = await connect('/rooms/tea/ws?user=bert')
  const phone = await connect('/ws?user=bert', rpc)
  await phone.call('rooms.join', { room: 'tea' })
  const carl = await connect('/ws?user=carl', rpc)
  await carl.call('rooms.join', { room: 'tea' })
  assert.equal((await ask('DELETE', '/rooms/tea/members/carl?user=bert')).status, 403)
  assert.equal((await ask('DELETE', '/rooms/tea/members/bert?user=bert')).status, 204)
  assert.equal((await plain.closed).code, 1008)
  await eventually(() => carl.arrived.some((text) => String(text).includes('rooms.removed')), 'carl to be told')
  await server.rooms.send('carl', 'tea', 'without bert')
  await phone.call('session.ping')
  assert.ok(phone.arrived.every((text) => !String(text).includes('without bert')))
  assert.equal((await ask('GET', '/rooms/tea/messages?user=bert')).status, 403)
  const back = await phone.call('rooms.join', { room: 'tea', since: { offset: 0 } })
  assert.equal(back.entries.length, 1)
})

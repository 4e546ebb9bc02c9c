// What became of a message: stored, written, confirmed, read, each when it is so and not before.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../testing/eventually.ts'
import { start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

test('a direct message is stored first, then written, confirmed and read, device by device', async (t) => {
  const { connect, server } = await start(t)
  const anna = await connect('/ws?user=anna', rpc)
  const { id } = await anna.call('direct.send', { to: 'bert', message: 'hi' })
  await anna.call('direct.send', { to: 'bert', message: 'later' })
  const trace = () => anna.call('session.trace', { id })
  const devices = async () => {
    const { written, confirmed, read } = await trace()
    const names = (list: { device: string }[]) => list.map(({ device }) => device).sort()
    return [names(written), names(confirmed), read.map(({ user }: { user: string }) => user)]
  }
  const fresh = await trace()
  assert.deepEqual(fresh.stored.log, 'user:bert')
  assert.deepEqual(await devices(), [[], [], []])
  const phone = await connect('/ws?user=bert&device=phone')
  const [first] = await phone.jsons(2)
  assert.equal(first.id, id)
  await eventually(async () => (await devices())[0]?.length === 1, 'the phone to have it')
  assert.deepEqual(await devices(), [['phone'], [], []])
  phone.send({ ack: 1 })
  await eventually(async () => (await devices())[1]?.length === 1, 'the confirmation')
  const desk = await connect('/ws?user=bert&device=desk', rpc)
  await desk.call('direct.resume', { since: { offset: 0 } })
  await eventually(async () => (await devices())[0]?.length === 2, 'the desk to have it')
  assert.deepEqual(await devices(), [['desk', 'phone'], ['phone'], []])
  await desk.call('direct.read', { offset: 1 })
  assert.deepEqual(await devices(), [['desk', 'phone'], ['phone'], ['bert']])
  const after = await anna.call('session.trace', { id: (await server.direct.history('bert', {})).entries[1]?.id })
  assert.deepEqual([after.confirmed, after.read], [[], []], 'the later one is neither confirmed nor read')
})

test('a room message is read by whom its marker passed; strangers and other rooms see nothing of it', async (t) => {
  const { connect, server, ask } = await start(t)
  for (const id of ['tea', 'other']) await server.rooms.create('ann', { id, name: id })
  await server.rooms.addMember('ann', 'tea', 'bert')
  const ann = await connect('/ws?user=ann', rpc)
  const bert = await connect('/ws?user=bert', rpc)
  const one = await ann.call('rooms.send', { room: 'tea', message: 1 })
  const two = await ann.call('rooms.send', { room: 'tea', message: 2 })
  await bert.call('rooms.read', { room: 'tea', offset: 1 })
  const readers = async (id: string) =>
    (await ann.call('session.trace', { id, room: 'tea' })).read.map(({ user }: { user: string }) => user)
  assert.deepEqual([await readers(one.id), await readers(two.id)], [['bert'], []])
  assert.equal((await ann.call('session.trace', { id: one.id, room: 'other' })).stored, null)
  assert.equal((await ann.call('session.trace', { id: one.id })).stored.log, 'room:tea')
  const stranger = await connect('/ws?user=carl', rpc)
  assert.equal((await stranger.call('session.trace', { id: one.id })).stored, null)
  await assert.rejects(bert.call('session.trace', { id: one.id, room: 'other' }), { code: 'forbidden' })
  const system = await server.direct.sendSystem({ toUser: 'bert', message: 's' })
  assert.equal((await bert.call('session.trace', { id: system.id })).stored.from, '')
  assert.equal((await ann.call('session.trace', { id: system.id })).stored, null)
  const self = await bert.call('direct.send', { to: 'bert', message: 'note to self' })
  assert.deepEqual((await bert.call('session.trace', { id: self.id })).stored.offset, self.offset)
  assert.equal((await ask('GET', `/trace/${one.id}?room=none`)).body.stored, null)
})

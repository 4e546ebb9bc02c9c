import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from '../testing/server.ts'

test('members of a room get each message once, in order, whichever dialect they speak', async (t) => {
  const { connect, ask } = await start(t)
  const created = await ask('POST', '/rooms?user=ann', { name: 'Tea', open: true })
  assert.equal(created.status, 201)
  const { id } = created.body
  const ann = await connect('/ws?user=ann', { protocols: ['nitka.rpc.v1'] })
  const joined = await ann.call('rooms.join', { room: id })
  assert.equal(joined.recovered, true)
  assert.deepEqual(joined.presence, ['ann'])
  const bert = await connect(`/rooms/${id}/ws?user=bert`)
  bert.send({ message: 'one' })
  assert.equal((await bert.json()).message, 'one')
  const sent = await ann.call('rooms.send', { room: id, message: { two: 2 }, clientId: 'c' })
  assert.equal(sent.offset, 2)
  assert.deepEqual((await bert.json()).message, { two: 2 })
  const notes = (await ann.jsons(3)).map(({ method, params }) => [method, params.message ?? params.user])
  assert.deepEqual(notes, [
    ['rooms.presence', 'bert'],
    ['rooms.message', 'one'],
    ['rooms.message', { two: 2 }],
  ])
  assert.equal((await ann.call('rooms.send', { room: id, message: { two: 2 }, clientId: 'c' })).repeated, true)
  await assert.rejects(ann.call('rooms.send', { room: id, message: 'other', clientId: 'c' }), { code: 'conflict' })
})

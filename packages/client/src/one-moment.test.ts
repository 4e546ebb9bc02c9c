// What comes in the same moment as the answer to a join: a network puts both into one piece.

import assert from 'node:assert/strict'
import test from 'node:test'
import { start } from '../testing/client.ts'
import { FakeLog } from '../testing/log.ts'
import { settled } from '../testing/world.ts'

test('a message in the same moment as the answer to the join is handed on, though nothing follows it', async (t) => {
  const { nitka, server, live } = start(t)
  const log = new FakeLog(server, 3)
  server.on('rooms.join', () => undefined)
  const wire = await live()
  const joined = nitka.rooms.join('tea')
  await settled()
  wire.answer('rooms.join', log.joined(undefined))
  log.tell(wire)
  wire.notify('rooms.presence', { room: 'tea', user: 'carl', online: true })
  const room = await joined
  const seen: unknown[] = []
  room.on('message', ({ message }) => seen.push(message))
  await settled()
  assert.deepEqual(seen, [4])
  assert.deepEqual([...room.presence], ['ann', 'carl'])
  assert.equal(wire.calls('rooms.join').length, 1)
})

test('a direct message in the same moment as the answer to the resume is handed on, though nothing follows it', async (t) => {
  const { nitka, server, live } = start(t)
  server.on('direct.ack', () => ({}))
  const wire = await live()
  const opened = nitka.direct.open()
  await settled()
  const answer = { recovered: true, epoch: 'e', head: 0, headId: '', first: 1, read: 0, unread: 0, from: 0 }
  wire.answer('direct.resume', { ...answer, messages: [] })
  wire.notify('direct.message', { fromUser: 1, toUser: 2, message: 'hi', id: 'm1', time: '', offset: 1 })
  const inbox = await opened
  const seen: unknown[] = []
  inbox.on('message', ({ message }) => seen.push(message))
  await settled()
  assert.deepEqual(seen, ['hi'])
})

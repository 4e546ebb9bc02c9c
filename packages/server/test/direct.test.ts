import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from '../testing/server.ts'

test('an absent user finds on return what was sent meanwhile, in order, once', async (t) => {
  const { connect } = await start(t)
  const anna = await connect('/ws?user=1')
  for (const message of ['one', 'two']) anna.send({ fromUser: 1, toUser: 2, message })
  assert.deepEqual(await anna.take(2), ['ok', 'ok'])
  const bert = await connect('/ws?user=2')
  const [one, two] = await bert.jsons(2)
  assert.deepEqual(
    { ...one, id: '', time: '' },
    { fromUser: 1, toUser: 2, message: 'one', id: '', time: '', offset: 1 },
  )
  assert.equal(two.message, 'two')
  anna.send({ fromUser: 1, toUser: 2, message: 'fence' })
  assert.equal((await bert.json()).message, 'fence')
})

test('heartbeat is answered with heartbeat', async (t) => {
  const { connect } = await start(t)
  const anna = await connect('/ws?user=anna')
  anna.send('heartbeat')
  assert.deepEqual(await anna.take(1), ['heartbeat'])
})

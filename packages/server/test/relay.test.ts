import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from '../testing/server.ts'

test('a frame goes unchanged, text or binary, to all others of the channel and never to its sender', async (t) => {
  const { connect } = await start(t)
  const [a, b, c] = await Promise.all([connect('/relay'), connect('/relay'), connect('/relay')])
  const other = await connect('/relay/other')
  a.send('hello')
  a.send(Buffer.from([0, 255, 1]))
  for (const client of [b, c]) assert.deepEqual(await client.take(2), ['hello', Buffer.from([0, 255, 1])])
  b.send('fence')
  assert.deepEqual(await a.take(1), ['fence'])
  const another = await connect('/relay/other')
  another.send('fence')
  assert.deepEqual(await other.take(1), ['fence'])
})

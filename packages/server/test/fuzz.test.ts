// Goal: no input ends the server, and none is left without an answer or a close. Method: random values, shaped like the
// real ones often enough to get past the first check, on every way in; afterwards the server still serves.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calls } from '@nitka/protocol/schemas'
import fc from 'fast-check'
import { start } from '../testing/server.ts'

const names = ['a', '7', '__proto__', 'constructor', '../..', '', 'tea', 'x'.repeat(200), '\u0000', '\ud800']
const text = fc.oneof(fc.constantFrom(...names), fc.string({ unit: 'binary', maxLength: 40 }))
const value = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 2, arbitrary: fc.integer() },
  fc.double(),
  fc.jsonValue({ maxDepth: 4 }),
)
const direct = fc.record(
  { fromUser: value, toUser: value, message: value, id: value, ack: value },
  { requiredKeys: [] },
)
const position = fc.record({ offset: value, epoch: value, id: value }, { requiredKeys: [] })
const params = fc.record(
  {
    ...{
      room: text,
      channel: text,
      message: value,
      signal: value,
      to: value,
      clientId: value,
      user: text,
      name: value,
    },
    ...{ offset: value, after: value, before: value, limit: value, id: text, with: value, kind: value, token: value },
    since: fc.oneof(position, value),
  },
  { requiredKeys: [] },
)
const call = fc.record({
  jsonrpc: fc.constant('2.0'),
  id: value,
  method: fc.constantFrom(...Object.keys(calls)),
  params,
})
const frame = fc.oneof(
  direct.map((one) => JSON.stringify(one)),
  call.map((one) => JSON.stringify(one)),
  fc.json(),
  text,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
)

test('a thousand random messages on every socket end nothing, and the server serves on', async (t) => {
  const { connect, ask, server } = await start(t)
  await server.rooms.create('a', { id: 'tea', name: 'Tea', open: true })
  const frames = fc.sample(frame, { numRuns: 1_000, seed: Number(process.env.FUZZ_SEED ?? 20_261_120) })
  for (const path of ['/ws?user=a', '/rooms/tea/ws?user=a', '/relay/tea']) {
    for (let i = 0; i < frames.length; i += 100) {
      const client = await connect(path, path.startsWith('/ws') && i % 200 === 0 ? { protocols: ['nitka.rpc.v1'] } : {})
      for (const one of frames.slice(i, i + 100)) client.send(one as string)
      client.send('heartbeat')
      if (path.startsWith('/relay')) client.close()
      else await client.until(() => client.arrived.includes('heartbeat'), 'the heartbeat').catch(() => undefined)
      client.close()
      await client.closed
    }
  }
  assert.equal((await ask('GET', '/readyz')).status, 200)
  const fresh = await connect('/ws?user=fresh')
  fresh.send({ fromUser: 'fresh', toUser: 'fresh', message: 'still here' })
  assert.ok((await fresh.take(2)).includes('ok'))
  assert.equal(({} as Record<string, unknown>).fromUser, undefined)
})

test('a thousand random requests are answered below 500, with a problem where they are refused', async (t) => {
  const { server } = await start(t)
  const paths = fc.oneof(
    fc.constantFrom(
      '/rooms',
      '/messages/user',
      '/messages/system',
      '/batch',
      '/rooms/tea/messages',
      '/rooms/tea/members',
    ),
    text.map((name) => `/rooms/${encodeURIComponent(name.toWellFormed())}/messages`),
  )
  const request = fc.record({ path: paths, body: fc.oneof(direct, params, fc.jsonValue({ maxDepth: 4 })), user: text })
  for (const { path, body, user } of fc.sample(request, { numRuns: 1_000, seed: 7 })) {
    const response = await fetch(`${server.url}${path}?user=${encodeURIComponent(user.toWellFormed())}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const answer = await response.text()
    assert.ok(response.status < 500, `${path} ${JSON.stringify(body)}: ${response.status} ${answer}`)
    if (response.status >= 400) assert.equal(typeof JSON.parse(answer).code, 'string')
  }
})

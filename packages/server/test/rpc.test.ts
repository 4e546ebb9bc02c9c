import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calls } from '@nitka/protocol/schemas'
import { start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

test('what is no call is answered with the right number, and the connection lives on', async (t) => {
  const { connect } = await start(t)
  const client = await connect('/ws?user=anna', rpc)
  const many = `{"jsonrpc":"2.0","id":1,"method":"session.ping","params":{${Array.from({ length: 100_001 }, (_, i) => `"${i.toString(36)}":0`).join()}}}`
  const wrong: [string, number, unknown][] = [
    ['nonsense', -32700, null],
    ['[{"jsonrpc":"2.0","id":1,"method":"session.ping"}]', -32600, null],
    ['{"id":1,"method":"session.ping"}', -32600, 1],
    ['{"method":"session.ping"}', -32600, null],
    ['{"fromUser":"anna","toUser":"b","message":"plain"}', -32600, null],
    ['{"jsonrpc":"2.0","id":2}', -32600, 2],
    ['{"jsonrpc":"2.0","id":"three","method":"no.such"}', -32601, 'three'],
    ['{"jsonrpc":"2.0","id":4,"method":"__proto__"}', -32601, 4],
    ['{"jsonrpc":"2.0","id":5,"method":"constructor"}', -32601, 5],
    ['{"jsonrpc":"2.0","id":6,"method":"session.ping","params":[]}', -32602, 6],
    ['{"jsonrpc":"2.0","id":7,"method":"session.ping","params":{"more":1}}', -32602, 7],
    ['{"jsonrpc":"2.0","id":8,"method":"session.ping","params":{"a":{"__proto__":{"bad":1}}}}', -32700, 8],
    [many, -32700, 1],
  ]
  for (const [text] of wrong) client.send(text)
  for (const [text, code, id] of wrong) {
    const { error, id: answered } = await client.json()
    assert.deepEqual([error.code, answered], [code, id], text.slice(0, 80))
    assert.equal(typeof error.data.code, 'string')
  }
  client.send('{"jsonrpc":"2.0","method":"no.such"}')
  client.send('{"jsonrpc":"2.0","method":"rooms.send","params":{}}')
  assert.ok((await client.call('session.ping')).time)
  assert.deepEqual(client.arrived, [])
  assert.equal(({} as Record<string, unknown>).bad, undefined)
})

test('every call refuses a wrong, a missing and an unknown parameter, and names it', async (t) => {
  const { connect } = await start(t)
  const client = await connect('/ws?user=anna', rpc)
  const good: Record<string, unknown> = {
    ...{
      channel: 'c',
      room: 'r',
      message: 'm',
      to: 'b',
      offset: 0,
      id: 'dc0d88oroq31h5rfj6ig',
      name: 'n',
      user: 'u',
      signal: 1,
      token: '1.1',
      progress: 1,
      batch: 1,
      queue: 'q',
      settings: { paused: false },
      tasks: [{ payload: {} }],
      type: 't',
      pool: 'p',
      hold: '0'.repeat(32),
      booking: '0'.repeat(32),
      resource: 'a',
      resources: ['a'],
      from: '2030-01-01T00:00:00Z',
    },
  }
  const own: Record<string, Record<string, unknown>> = {
    'pools.book': { to: '2030-01-02T00:00:00Z' },
    'pools.check': { token: 1 },
    'requests.result': { id: 1 },
  }
  for (const [method, { params }] of Object.entries(calls)) {
    const { properties, required = [] } = params as unknown as {
      properties: Record<string, { type?: string }>
      required?: string[]
    }
    const goods = { ...good, ...own[method] }
    const base = Object.fromEntries(required.map((field) => [field, goods[field]]))
    await assert.rejects(client.call(method, { ...base, unknown: 1 }), { code: 'invalid', field: 'unknown' }, method)
    for (const field of required) {
      const { [field]: _left, ...rest } = base
      await assert.rejects(client.call(method, rest), { code: 'invalid', field }, `${method} without ${field}`)
    }
    for (const [field, { type }] of Object.entries(properties)) {
      if (['message', 'signal', 'progress', 'payload', 'result'].includes(field)) continue
      await assert.rejects(
        client.call(method, { ...base, [field]: type === 'array' ? 7 : [] }),
        { code: 'invalid', rpc: -32602 },
        `${method} ${field}`,
      )
    }
  }
})

test('without a user a client must say hello first, and only a client that speaks rpc may come at all', async (t) => {
  const { connect, server } = await start(t, { helloMs: 60_000 })
  await assert.rejects(connect('/ws'), /^Error: 401 /)
  const client = await connect('/ws', rpc)
  await assert.rejects(client.call('direct.resume'), { code: 'unauthenticated' })
  await assert.rejects(client.call('session.hello', {}), { code: 'unauthenticated', field: 'token' })
  await assert.rejects(client.call('session.hello', { token: 'anna', version: 99 }), {
    code: 'invalid',
    field: 'version',
  })
  const hello = await client.call('session.hello', { token: 'anna', device: 'phone' })
  assert.deepEqual([hello.user, hello.durability, hello.version], ['anna', 'disk', 1])
  assert.equal(server.registry.of('anna').size, 1)
  assert.equal((await client.call('direct.resume')).recovered, true)
})

test('a plain connection that speaks rpc gets nothing plain from then on', async (t) => {
  const { connect, server } = await start(t)
  const client = await connect('/ws?user=anna')
  await client.call('session.ping')
  await server.direct.sendUser({ fromUser: 'b', toUser: 'anna', message: 'one' })
  const resumed = await client.call('direct.resume', { since: { offset: 0 } })
  assert.deepEqual(
    resumed.messages.map(({ message }: { message: string }) => message),
    ['one'],
  )
  await server.direct.sendUser({ fromUser: 'b', toUser: 'anna', message: 'two' })
  const note = await client.json()
  assert.deepEqual([note.method, note.params.message], ['direct.message', 'two'])
  client.send({ fromUser: 'anna', toUser: 'b', message: 'plain still sends' })
  await client.until(() => client.arrived.includes('ok'), 'ok')
})

test('a user’s own log follows on all devices: what came, what was sent, what was read', async (t) => {
  const { connect } = await start(t)
  const phone = await connect('/ws?user=anna&device=phone', rpc)
  const desk = await connect('/ws?user=anna&device=desk', rpc)
  const bert = await connect('/ws?user=bert', rpc)
  const first = await phone.call('direct.resume', { since: { offset: 0 } })
  for (const client of [desk, bert]) await client.call('direct.resume', { since: { offset: 0 } })
  const sent = await desk.call('direct.send', { to: 'bert', message: 'hi', clientId: 'x' })
  assert.deepEqual([sent.offset, sent.sentOffset, sent.repeated], [1, 1, false])
  assert.deepEqual((await phone.json()).params.message, 'hi')
  await bert.call('direct.send', { to: 'anna', message: 'hello' })
  assert.equal((await phone.json()).params.offset, 2)
  assert.deepEqual(await desk.call('direct.read', { offset: 2 }), { read: 2, unread: 0 })
  assert.deepEqual((await phone.json()).params, { read: 2, unread: 0 })
  phone.close()
  await phone.closed
  await bert.call('direct.send', { to: 'anna', message: 'later' })
  const back = await connect('/ws?user=anna&device=phone', rpc)
  const resumed = await back.call('direct.resume', { since: { epoch: first.epoch, offset: 1, id: sent.id } })
  assert.equal(resumed.recovered, true)
  assert.deepEqual(
    resumed.messages.map(({ message }: { message: string }) => message),
    ['hello', 'later'],
  )
  assert.equal(resumed.unread, 1)
  const history = await back.call('direct.history', { with: 'bert', limit: 2 })
  assert.deepEqual([history.messages.length, history.next], [2, 2])
  await assert.rejects(back.call('direct.ack', { offset: 99 }), { code: 'invalid', field: 'offset' })
})

test('a trace says where a message is stored, who took it, confirmed it and read it', async (t) => {
  const { connect, ask, server } = await start(t)
  const anna = await connect('/ws?user=anna', rpc)
  const bert = await connect('/ws?user=bert&device=phone', rpc)
  await bert.call('direct.resume', { since: { offset: 0 } })
  const { id } = await anna.call('direct.send', { to: 'bert', message: 'hi' })
  await bert.json()
  await bert.call('direct.ack', { offset: 1 })
  await bert.call('direct.read', { offset: 1 })
  for (const client of [anna, bert]) {
    const trace = await client.call('session.trace', { id })
    assert.deepEqual([trace.stored.log, trace.stored.offset, trace.stored.from], ['user:bert', 1, 'anna'])
    assert.deepEqual(
      trace.confirmed.map(({ device }: { device: string }) => device),
      ['phone'],
    )
    assert.deepEqual(
      trace.written.map(({ device }: { device: string }) => device),
      ['phone'],
    )
    assert.deepEqual(
      trace.read.map(({ user }: { user: string }) => user),
      ['bert'],
    )
  }
  const carl = await connect('/ws?user=carl', rpc)
  assert.equal((await carl.call('session.trace', { id })).stored, null)
  await server.rooms.create('anna', { id: 'tea', name: 'Tea', open: true })
  const sent = await server.rooms.send('anna', 'tea', 'room')
  assert.equal((await anna.call('session.trace', { id: sent.id, room: 'tea' })).stored.offset, 1)
  assert.equal((await ask('GET', `/trace/${sent.id}?room=tea`)).body.stored.log, 'room:tea')
  assert.equal((await ask('GET', `/trace/${id}?user=bert`)).body.stored.log, 'user:bert')
  assert.equal((await ask('GET', `/trace/${id}`)).status, 400)
})

test('the relay over rpc and plain are one channel', async (t) => {
  const { connect } = await start(t, { subscriptions: 2 })
  const client = await connect('/ws?user=anna', rpc)
  const plain = await connect('/relay/board')
  await assert.rejects(client.call('relay.publish', { channel: 'board', message: 1 }), { code: 'forbidden' })
  await client.call('relay.join', { channel: 'board' })
  await client.call('relay.publish', { channel: 'board', message: { x: 1 } })
  assert.deepEqual(await plain.take(1), ['{"x":1}'])
  plain.send('{"y":2}')
  plain.send('no JSON')
  plain.send(Buffer.from([1, 2]))
  const notes = (await client.jsons(3)).map(({ params }) => params)
  assert.deepEqual(notes, [
    { channel: 'board', message: { y: 2 } },
    { channel: 'board', message: 'no JSON' },
    { channel: 'board', message: 'AQI=', binary: true },
  ])
  await client.call('relay.join', { channel: 'second' })
  await assert.rejects(client.call('relay.join', { channel: 'third' }), { code: 'overloaded' })
  await client.call('relay.leave', { channel: 'board' })
  plain.send('unheard')
  await client.call('session.ping')
  assert.deepEqual(client.arrived, [])
})

test('an answer may be as large as a page, and a client that reads it goes on', async (t) => {
  const { connect, server } = await start(t, { replyBytes: 64 * 1024 })
  for (let i = 0; i < 16; i++) {
    await server.direct.sendUser({ fromUser: 'b', toUser: 'anna', message: 'x'.repeat(60_000) })
  }
  const client = await connect('/ws?user=anna', rpc)
  assert.equal((await client.call('direct.history', { limit: 16 })).messages.length, 16)
  assert.equal((await client.call('direct.resume', { since: { offset: 0 } })).messages.length, 16)
  assert.ok((await client.call('session.ping')).time)
})

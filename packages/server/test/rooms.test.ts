import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../testing/client.ts'
import { eventually } from '../testing/eventually.ts'
import { type Started, start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

async function withRoom(started: Started, options: object = { open: true }): Promise<string> {
  const { status, body } = await started.ask('POST', '/rooms?user=ann', { name: 'Tea', ...options })
  assert.equal(status, 201)
  return body.id
}

test('members of a room get each message once, in order, whichever dialect they speak', async (t) => {
  const started = await start(t)
  const { connect } = started
  const id = await withRoom(started)
  const ann = await connect('/ws?user=ann', rpc)
  const joined = await ann.call('rooms.join', { room: id })
  assert.equal(joined.recovered, true)
  assert.deepEqual(joined.presence, ['ann'])
  assert.deepEqual(joined.members, ['ann'])
  const bert = await connect(`/rooms/${id}/ws?user=bert`)
  bert.send({ message: 'one' })
  const one = await bert.json()
  assert.deepEqual(
    { ...one, id: '', time: '' },
    { offset: 1, id: '', room: id, from: 'bert', message: 'one', time: '' },
  )
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

test('the endpoints answer as they are documented', async (t) => {
  const started = await start(t)
  const { ask } = started
  const id = await withRoom(started, { open: false, id: 'tea' })
  assert.equal(id, 'tea')
  const expected: [string, string, unknown, number, string?][] = [
    ['POST', '/rooms?user=ann', { name: 'Again', id: 'tea' }, 409],
    ['POST', '/rooms?user=ann', {}, 400, 'name'],
    ['POST', '/rooms?user=ann', { name: '' }, 400, 'name'],
    ['POST', '/rooms?user=ann', { name: 'x'.repeat(129) }, 400, 'name'],
    ['POST', '/rooms?user=ann', { name: 'x', id: '../..' }, 400, 'id'],
    ['POST', '/rooms?user=ann', { name: 'x', open: 'yes' }, 400, 'open'],
    ['POST', '/rooms', { name: 'x' }, 401, 'user'],
    ['POST', '/rooms?user=ann', '{', 400],
    ['POST', '/rooms?user=ann', '{"name":"x","__proto__":{}}', 400],
    ['GET', '/rooms?user=ann', undefined, 200],
    ['GET', '/rooms/tea?user=ann', undefined, 200],
    ['GET', '/rooms/none?user=ann', undefined, 404],
    ['GET', '/rooms/%00?user=ann', undefined, 400, 'room'],
    ['POST', '/rooms/tea/members?user=ann', { user: 'bert' }, 201],
    ['POST', '/rooms/tea/members?user=ann', { user: 'bert' }, 200],
    ['POST', '/rooms/tea/members?user=ann', {}, 400, 'user'],
    ['POST', '/rooms/tea/messages?user=bert', { message: 'hi' }, 201],
    ['POST', '/rooms/tea/messages?user=bert', { message: '' }, 400, 'message'],
    ['POST', '/rooms/tea/messages?user=bert', {}, 400, 'message'],
    ['POST', '/rooms/tea/messages?user=bert', { message: 'x'.repeat(65_537) }, 413, 'message'],
    ['POST', '/rooms/tea/messages?user=bert', { message: 'm', clientId: 'c' }, 201],
    ['POST', '/rooms/tea/messages?user=bert', { message: 'm', clientId: 'c' }, 200],
    ['POST', '/rooms/tea/messages?user=bert', { message: 'n', clientId: 'c' }, 409],
    ['GET', '/rooms/tea/messages?user=bert&limit=1.5', undefined, 400, 'limit'],
    ['GET', '/rooms/tea/messages?user=bert&after=1&limit=1', undefined, 200],
    ['DELETE', '/rooms/tea/members/ann?user=bert', undefined, 403],
    ['DELETE', '/rooms/tea/members/carl?user=ann', undefined, 404],
    ['DELETE', '/rooms/tea/members/bert?user=ann', undefined, 204],
    ['GET', '/rooms/tea/messages?user=bert', undefined, 403],
  ]
  for (const [method, path, body, status, field] of expected) {
    const answer = await ask(method, path, body)
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(answer.body)}`)
    if (status >= 400) assert.match(answer.type, /application\/problem\+json/)
    if (field !== undefined) assert.equal(answer.body.field, field)
  }
})

test('who is no member, or no more, gets 403 everywhere, and nobody gets what is not there', async (t) => {
  const started = await start(t)
  const { ask, connect, server } = started
  await withRoom(started, { open: false, id: 'tea' })
  await server.rooms.addMember('ann', 'tea', 'ex')
  await server.rooms.removeMember('ann', 'tea', 'ex')
  for (const user of ['stranger', 'ex']) {
    for (const [room, status, code] of [
      ['tea', 403, 'forbidden'],
      ['none', 404, 'not-found'],
    ] as const) {
      const asks: [string, string, unknown?][] = [
        ['GET', ''],
        ['GET', '/members'],
        ['GET', '/messages'],
        ['GET', '/presence'],
        ['POST', '/messages', { message: 'x' }],
        ['POST', '/members', { user }],
        ['DELETE', '/members/ann'],
      ]
      for (const [method, path, body] of asks) {
        assert.equal(
          (await ask(method, `/rooms/${room}${path}?user=${user}`, body)).status,
          status,
          `${method} ${path}`,
        )
      }
      await assert.rejects(connect(`/rooms/${room}/ws?user=${user}`), new RegExp(`^Error: ${status} `))
      const client = await connect(`/ws?user=${user}`, rpc)
      const calls: [string, object][] = [
        ['rooms.join', {}],
        ['rooms.join', { since: { offset: 0 } }],
        ['rooms.send', { message: 'x' }],
        ['rooms.history', {}],
        ['rooms.read', { offset: 0 }],
        ['rooms.signal', { signal: 1 }],
        ['rooms.members', {}],
        ['rooms.presence', {}],
        ['rooms.add', { user }],
        ['rooms.remove', { user: 'ann' }],
        ['session.trace', { id: 'dc0d88oroq31h5rfj6ig' }],
      ]
      for (const [method, params] of calls)
        await assert.rejects(client.call(method, { room, ...params }), { code }, method)
      const batch = { operations: [{ room: { room, from: user, message: 'x' } }] }
      assert.equal((await ask('POST', '/batch', batch)).status, status)
    }
  }
  assert.deepEqual((await server.rooms.history('ann', 'tea', {})).entries, [])
})

test('a removed member hears nothing more, at once, in either dialect', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  await withRoom(started, { open: true, id: 'tea' })
  const plain = await connect('/rooms/tea/ws?user=bert')
  const own = await connect('/ws?user=bert', rpc)
  await own.call('rooms.join', { room: 'tea' })
  await server.rooms.send('ann', 'tea', 'before')
  assert.equal((await plain.json()).message, 'before')
  await server.rooms.removeMember('ann', 'tea', 'bert')
  await server.rooms.send('ann', 'tea', 'after')
  assert.equal((await plain.closed).code, 1008)
  assert.deepEqual(plain.arrived, [])
  await own.call('session.ping')
  const heard = own.arrived.map((text) => JSON.parse(String(text)).method)
  assert.deepEqual(heard, ['rooms.message', 'rooms.removed'])
})

test('presence counts users, not connections, and tells who comes and goes', async (t) => {
  const started = await start(t)
  const { ask, connect } = started
  await withRoom(started, { open: true, id: 'tea' })
  const ann = await connect('/ws?user=ann', rpc)
  await ann.call('rooms.join', { room: 'tea' })
  const one = await connect('/rooms/tea/ws?user=bert')
  const two = await connect('/rooms/tea/ws?user=bert')
  one.send('heartbeat')
  two.send('heartbeat')
  await Promise.all([one.take(1), two.take(1)])
  await eventually(async () => (await ask('GET', '/rooms/tea/presence?user=ann')).body.presence.length === 2, 'bert')
  one.close()
  await one.closed
  two.close()
  const notes = (await ann.jsons(2)).map(({ params }) => [params.user, params.online])
  assert.deepEqual(notes, [
    ['bert', true],
    ['bert', false],
  ])
  assert.deepEqual((await ask('GET', '/rooms/tea/presence?user=ann')).body.presence, ['ann'])
})

test('who lost the connection stays present for the grace, who said goodbye or was removed does not', async (t) => {
  const started = await start(t, { presenceGraceMs: 300_000 })
  const { ask, connect, server } = started
  await withRoom(started, { open: true, id: 'tea' })
  const present = async (): Promise<string[]> => (await ask('GET', '/rooms/tea/presence?user=ann')).body.presence
  const clients = await Promise.all(['bert', 'cleo', 'dora'].map((user) => connect(`/ws?user=${user}`, rpc)))
  for (const client of clients) await client.call('rooms.join', { room: 'tea' })
  const [bert, cleo, dora] = clients
  bert?.terminate()
  cleo?.close()
  dora?.terminate()
  await eventually(() => server.registry.size === 0, 'all to be gone')
  assert.deepEqual((await present()).sort(), ['bert', 'dora'])
  await server.rooms.removeMember('ann', 'tea', 'dora')
  assert.deepEqual(await present(), ['bert'])
  const again = await connect('/ws?user=bert', rpc)
  await again.call('rooms.join', { room: 'tea' })
  await again.call('rooms.leave', { room: 'tea' })
  assert.deepEqual(await present(), [], 'who came back has not two places')
})

test('read markers and unread counts reach the user’s other devices, also where the room is not joined', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  await withRoom(started, { open: true, id: 'tea' })
  const phone = await connect('/ws?user=bert&device=phone', rpc)
  const desk = await connect('/ws?user=bert&device=desk', rpc)
  await phone.call('session.hello')
  await desk.call('rooms.join', { room: 'tea' })
  for (const text of ['a', 'b', 'c']) await server.rooms.send('ann', 'tea', text)
  assert.deepEqual(await desk.call('rooms.read', { room: 'tea', offset: 2 }), { read: 2, unread: 1 })
  const ann = await connect('/ws?user=ann', rpc)
  await ann.call('rooms.join', { room: 'tea' })
  const note = await phone.json()
  assert.deepEqual([note.method, note.params], ['rooms.read', { room: 'tea', user: 'bert', offset: 2, unread: 1 }])
  assert.deepEqual(await desk.call('rooms.read', { room: 'tea', offset: 1 }), { read: 2, unread: 1 })
  // Once for each of one's own connections, joined or not; the others in the room are not told the count.
  await desk.call('session.ping')
  const markers = desk.arrived.map((text) => JSON.parse(String(text))).filter(({ method }) => method === 'rooms.read')
  assert.equal(markers.length, 2)
  assert.deepEqual((await ann.json()).params, { room: 'tea', user: 'bert', offset: 2 })
  await assert.rejects(desk.call('rooms.read', { room: 'tea', offset: 4 }), { code: 'invalid' })
  await server.rooms.send('bert', 'tea', 'one’s own')
  const joined = await phone.call('rooms.join', { room: 'tea' })
  assert.deepEqual([joined.read, joined.unread], [2, 1])
})

test('a join with a position gets exactly what followed it and then what comes, without a gap or a double', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  await withRoom(started, { open: true, id: 'tea' })
  const total = 700
  for (let i = 1; i <= 300; i++) await server.rooms.send('ann', 'tea', i)
  const sending = (async () => {
    for (let i = 301; i <= total; i++) await server.rooms.send('ann', 'tea', i)
  })()
  const joins = Array.from({ length: 24 }, async (_, i) => {
    const since = (i * 37) % 300
    if (i % 2 === 0) {
      const plain = await connect(`/rooms/tea/ws?user=u${i}&since=${since}`)
      return { since, got: (await plain.jsons(total - since)).map(({ offset }) => offset) }
    }
    const client = await connect(`/ws?user=u${i}`, rpc)
    const joined = await client.call('rooms.join', { room: 'tea', since: { offset: since } })
    assert.equal(joined.recovered, true)
    const first = joined.entries.map(({ offset }: { offset: number }) => offset)
    await client.until(
      () => first.at(-1) === total || String(client.arrived.at(-1)).includes(`"offset":${total},`),
      'the last',
    )
    const notes = client.arrived.map((text) => JSON.parse(String(text)))
    const followed = notes.flatMap(({ method, params }) => (method === 'rooms.message' ? [params.offset] : []))
    return { since, got: [...first, ...followed] }
  })
  for (const { since, got } of await Promise.all(joins)) {
    assert.deepEqual(
      got,
      Array.from({ length: total - since }, (_, i) => since + 1 + i),
    )
  }
  await sending
})

test('a join says exactly what is missing and why', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  await withRoom(started, { open: true, id: 'tea' })
  const client = await connect('/ws?user=ann', rpc)
  const empty = await client.call('rooms.join', { room: 'tea' })
  assert.deepEqual([empty.recovered, empty.head], [true, 0])
  const ids: string[] = []
  for (let i = 1; i <= 10; i++) ids.push((await server.rooms.send('ann', 'tea', i)).id)
  const join = (since?: object) =>
    client.call('rooms.join', since === undefined ? { room: 'tea' } : { room: 'tea', since })
  const never = await join()
  assert.deepEqual([never.recovered, never.missing], [false, [{ from: 1, to: 10, reason: 'never-joined' }]])
  const { epoch } = never
  const good = await join({ epoch, offset: 4, id: ids[3] })
  assert.deepEqual([good.recovered, good.entries.length], [true, 6])
  for (const since of [
    { epoch: 'other', offset: 4 },
    { epoch, offset: 4, id: ids[0] },
    { epoch, offset: 11 },
  ]) {
    const changed = await join(since)
    assert.deepEqual(
      [changed.recovered, changed.reason, changed.entries.length],
      [false, 'history-changed', 0],
      JSON.stringify(since),
    )
  }
})

test('a subscriber that reads nothing while 50,000 messages are sent costs little and gets them all in order', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  await withRoom(started, { open: true, id: 'tea' })
  const sleeper = await connect('/rooms/tea/ws?user=bert')
  sleeper.send('heartbeat')
  await sleeper.take(1)
  sleeper.pause()
  const total = 50_000
  let outboxBytes = 0
  for (let i = 0; i < total; i += 1_000) {
    await Promise.all(
      Array.from({ length: 1_000 }, (_, j) => server.rooms.send('ann', 'tea', `${i + j} ${'x'.repeat(100)}`)),
    )
    for (const session of server.registry.sessions) outboxBytes = Math.max(outboxBytes, session.outboxBytes)
  }
  assert.ok(outboxBytes < 2 ** 20 + 2 ** 18, `${outboxBytes} bytes waited`)
  sleeper.resume()
  let expected = 1
  while (expected <= total) {
    for (const text of await sleeper.take(Math.min(1_000, total + 1 - expected))) {
      assert.equal(JSON.parse(String(text)).offset, expected++)
    }
  }
})

test('what goes wrong on a room’s socket is answered, and the socket lives on', async (t) => {
  const started = await start(t)
  const { connect } = started
  await withRoom(started, { open: true, id: 'tea' })
  const client: Client = await connect('/rooms/tea/ws?user=bert')
  const wrong: [string, RegExp][] = [
    ['nonsense', /not JSON/],
    ['[]', /not a JSON object/],
    ['{}', /message is missing/],
    ['{"message":""}', /message must not be empty/],
    [`{"message":"${'x'.repeat(65_537)}"}`, /at most 65536/],
    ['{"message":1,"clientId":7}', /clientId must be a string/],
  ]
  for (const [text] of wrong) client.send(text)
  const answers = await client.take(wrong.length)
  for (const [i, [, reason]] of wrong.entries()) assert.match(String(answers[i]), reason)
  client.send({ message: 'x'.repeat(65_536), clientId: 'c' })
  const stored = await client.json()
  assert.equal(stored.offset, 1)
  client.send({ message: 'x'.repeat(65_536), clientId: 'c' })
  assert.deepEqual(await client.json(), stored)
  await assert.rejects(connect('/rooms/tea/ws?user=bert&since=-1'), /^Error: 400 .*since/)
})

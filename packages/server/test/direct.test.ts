import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../testing/client.ts'
import { eventually } from '../testing/eventually.ts'
import { start } from '../testing/server.ts'

const say = (from: unknown, to: unknown, message: unknown, rest: object = {}): object => ({
  fromUser: from,
  toUser: to,
  message,
  ...rest,
})

test('an absent user finds on return what was sent meanwhile, in order, once', async (t) => {
  const { connect } = await start(t)
  const anna = await connect('/ws?user=1')
  for (const message of ['one', 'two']) anna.send(say(1, 2, message))
  assert.deepEqual(await anna.take(2), ['ok', 'ok'])
  const bert = await connect('/ws?user=2')
  const [one, two] = await bert.jsons(2)
  assert.deepEqual({ ...one, id: '', time: '' }, { ...say(1, 2, 'one'), id: '', time: '', offset: 1 })
  assert.match(one.id, /^[0-9a-v]{20}$/)
  assert.equal(new Date(one.time).toISOString(), one.time)
  assert.equal(two.message, 'two')
  anna.send(say(1, 2, 'fence'))
  assert.equal((await bert.json()).message, 'fence')
  bert.close()
  await bert.closed
  const again = await connect('/ws?user=2')
  anna.send(say(1, 2, 'second fence'))
  assert.equal((await again.json()).message, 'second fence')
})

test('7 and "7" are one user, and ids come back as they were sent', async (t) => {
  const { connect } = await start(t)
  const anna = await connect('/ws?user=7')
  const bert = await connect('/ws?user=8')
  anna.send(say('7', 8, 'text'))
  anna.send(say(7, '8', 'number'))
  const [text, number] = await bert.jsons(2)
  assert.deepEqual([text.fromUser, text.toUser, number.fromUser, number.toUser], ['7', 8, 7, '8'])
})

test('heartbeat is answered with heartbeat, also while something else is under way', async (t) => {
  const { connect } = await start(t)
  const anna = await connect('/ws?user=anna')
  anna.send('heartbeat')
  assert.deepEqual(await anna.take(1), ['heartbeat'])
})

test('whatever is wrong is answered with one error that names it, nothing is stored, and the connection lives on', async (t) => {
  const { connect, ask } = await start(t)
  const anna = await connect('/ws?user=anna')
  const long = 'x'.repeat(10_000)
  const wrong: [string | object, RegExp][] = [
    ['', /not JSON/],
    ['{"fromUser":"anna"', /not JSON/],
    ['[]', /not a JSON object/],
    ['null', /not a JSON object/],
    ['"text"', /not a JSON object/],
    ['{}', /fromUser is missing/],
    [say('anna', undefined, 'm'), /toUser is missing/],
    [say('anna', 'bert', undefined), /message is missing/],
    [say('anna', 'bert', null), /message is missing/],
    [say('anna', 'bert', ''), /message must not be empty/],
    [say('', 'bert', 'm'), /fromUser must not be empty/],
    [say('anna', '', 'm'), /toUser must not be empty/],
    [say('bert', 'anna', 'm'), /fromUser is not this connection's user/],
    [say('anna', 1.5, 'm'), /toUser must be a string or an integer/],
    ['{"fromUser":"anna","toUser":9007199254740993,"message":"m"}', /toUser must be a string or an integer/],
    [say('anna', {}, 'm'), /toUser must be a string or an integer/],
    [say('anna', true, 'm'), /toUser must be/],
    [say('anna', long, 'm'), /toUser must be at most 128 bytes/],
    [say('anna', 'a\u0000b', 'm'), /toUser must not contain control characters/],
    [say('anna', '\ud800', 'm'), /toUser must be well-formed/],
    [say('anna', 'bert', 'm', { id: '' }), /id must not be empty/],
    [say('anna', 'bert', 'm', { id: 'x'.repeat(65) }), /id must be at most 64 bytes/],
    [say('anna', 'bert', 'm', { id: 5 }), /id must be a string/],
    [say('anna', 'bert', 'x'.repeat(65_537)), /message is 65537 bytes, at most 65536/],
    ['{"fromUser":"anna","toUser":"bert","message":1e400}', /too large/],
    ['{"fromUser":"anna","toUser":"bert","message":{"__proto__":{"a":1}}}', /__proto__/],
    [`{"fromUser":"anna","toUser":"bert","message":${'['.repeat(40)}${']'.repeat(40)}}`, /nested deeper/],
    ['{"ack":"1"}', /ack must be/],
    ['{"ack":0}', /ack must be/],
    ['{"ack":1.5}', /ack must be/],
    ['{"ack":99}', /ack is beyond/],
    [Buffer.from('binary') as unknown as object, /binary frames/],
  ]
  for (const [text] of wrong) anna.send(text)
  const answers = await anna.take(wrong.length)
  wrong.forEach(([text, reason], i) => {
    assert.match(String(answers[i]), /^error: /)
    assert.match(String(answers[i]), reason, JSON.stringify(text).slice(0, 80))
  })
  for (const user of ['anna', 'bert'])
    assert.deepEqual((await ask('GET', `/ws/history?user=${user}`)).body.messages, [])
  anna.send(say('anna', 'bert', 'x'.repeat(65_536)))
  assert.deepEqual(await anna.take(1), ['ok'])
})

test('odd names are users like any other', async (t) => {
  const { connect, ask } = await start(t)
  const names = ['__proto__', 'constructor', '../..', '!', 'ünï', 'a', 'ab', '日本', ' ', '%2f']
  for (const name of names) {
    const client = await connect(`/ws?user=${encodeURIComponent(name)}`)
    client.send(say(name, name, `to ${name}`))
    const answers = (await client.take(2)).map(String)
    assert.ok(answers.includes('ok'))
    const { messages } = (await ask('GET', `/ws/history?user=${encodeURIComponent(name)}`)).body
    assert.deepEqual(
      messages.map((one: { message: string }) => one.message),
      [`to ${name}`],
    )
  }
  assert.equal(({} as Record<string, unknown>).message, undefined)
})

test('answers come in the order of the messages, errors among them', async (t) => {
  const { connect } = await start(t)
  const anna = await connect('/ws?user=anna')
  for (let i = 0; i < 50; i++) anna.send(i % 3 === 2 ? 'nonsense' : say('anna', 'bert', `m${i}`))
  const answers = (await anna.take(50)).map((answer) => String(answer).slice(0, 5))
  assert.deepEqual(
    answers,
    Array.from({ length: 50 }, (_, i) => (i % 3 === 2 ? 'error' : 'ok')),
  )
})

test('a repeat with the same id is answered ok and stored once; another message under it is an error', async (t) => {
  const { connect, ask } = await start(t)
  const anna = await connect('/ws?user=anna')
  anna.send(say('anna', 'bert', 'm', { id: 'one' }))
  anna.send(say('anna', 'bert', 'm', { id: 'one' }))
  anna.send(say('anna', 'bert', 'other', { id: 'one' }))
  const answers = await anna.take(3)
  assert.deepEqual(answers.slice(0, 2), ['ok', 'ok'])
  assert.match(String(answers[2]), /^error: /)
  anna.send(say('anna', 'bert', 'm', { id: 'one' }))
  assert.deepEqual(await anna.take(1), ['ok'])
  assert.equal((await ask('GET', '/ws/history?user=bert')).body.messages.length, 1)
  assert.equal((await ask('GET', '/ws/history?user=anna')).body.messages.length, 1)
})

test('of two connections that come together each buffered message reaches one, in order, and what follows both', async (t) => {
  const { connect, server } = await start(t)
  for (let i = 0; i < 300; i++) await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: i })
  const both = await Promise.all([connect('/ws?user=b'), connect('/ws?user=b')])
  const fenced = (client: Client) => client.until(() => String(client.arrived.at(-1)).includes('fence'), 'the fence')
  await both[0].until(() => both[0].arrived.length + both[1].arrived.length >= 1, 'something').catch(() => undefined)
  await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: 'fence' })
  await Promise.all(both.map(fenced))
  const got = both.map((client) => client.arrived.map((text) => JSON.parse(String(text)).message))
  for (const messages of got) assert.equal(messages.pop(), 'fence')
  assert.deepEqual(
    got.flat().sort((x, y) => x - y),
    Array.from({ length: 300 }, (_, i) => i),
  )
  for (const messages of got)
    assert.deepEqual(
      messages,
      [...messages].sort((x: number, y: number) => x - y),
    )
})

test('nothing is lost while the receiver comes and goes', async (t) => {
  const { connect, server } = await start(t)
  const total = 400
  const sending = (async () => {
    for (let i = 0; i < total; i++) await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: i })
  })()
  const seen: number[] = []
  while (seen.at(-1) !== total - 1) {
    const bert = await connect('/ws?user=b')
    const enough = seen.length + 20
    await bert.until(() => seen.length + bert.arrived.length >= Math.min(enough, total), 'some')
    bert.close()
    await bert.closed
    seen.push(...bert.arrived.map((text) => JSON.parse(String(text)).message))
  }
  await sending
  assert.deepEqual(
    seen,
    Array.from({ length: total }, (_, i) => i),
  )
})

test('what a connection could not write before it died comes to the next one', async (t) => {
  const { connect, server } = await start(t)
  const total = 400
  for (let i = 0; i < total; i++)
    await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: `${i} ${'x'.repeat(30_000)}` })
  const deaf = await connect('/ws?user=b')
  deaf.pause()
  const stuck = (): boolean => [...server.registry.of('b')].some(({ hasRoom }) => !hasRoom)
  await eventually(stuck, 'a full outbox')
  deaf.terminate()
  const next = await connect('/ws?user=b')
  await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: 'fence' })
  await next.until(() => String(next.arrived.at(-1)).includes('fence'), 'the fence')
  const numbers = next.arrived.slice(0, -1).map((text) => Number.parseInt(JSON.parse(String(text)).message, 10))
  assert.ok(numbers.length > 0 && numbers.length < total + 1)
  assert.equal(numbers.at(-1), total - 1)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => (numbers[0] ?? 0) + i),
  )
})

test('a client that confirms gets again what it did not confirm, and never what it did', async (t) => {
  const { connect, server } = await start(t)
  for (let i = 1; i <= 5; i++) await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: i })
  const one = await connect('/ws?user=b')
  await one.take(5)
  one.send({ ack: 2 })
  one.send({ ack: 1 })
  one.send({ ack: 6 })
  assert.match(String((await one.take(1))[0]), /^error: ack is beyond what was sent here \(5\)/)
  one.close()
  await one.closed
  const two = await connect('/ws?user=b')
  assert.deepEqual(
    (await two.jsons(3)).map(({ message }) => message),
    [3, 4, 5],
  )
  two.send({ ack: 5 })
  two.send('fence')
  await two.take(1)
  two.close()
  await two.closed
  const three = await connect('/ws?user=b')
  await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: 6 })
  assert.equal((await three.json()).message, 6)
})

test('a message that has a field ack is a message: it is stored, and answered', async (t) => {
  const { connect } = await start(t)
  const anna = await connect('/ws?user=1')
  const bert = await connect('/ws?user=2')
  for (const ack of [true, 1]) anna.send(say(1, 2, 'read this', { ack }))
  assert.deepEqual(await anna.take(2), ['ok', 'ok'])
  assert.equal((await bert.jsons(2))[1].offset, 2)
})

test('the application sends system and user messages, over HTTP and from inside', async (t) => {
  const { connect, ask, server } = await start(t)
  const bert = await connect('/ws?user=2')
  const sent = await ask('POST', '/messages/system', { toUser: 2, message: 'hello', data: { a: 1 }, id: 's' })
  assert.equal(sent.status, 201)
  assert.equal(
    (await ask('POST', '/messages/system', { toUser: 2, message: 'hello', data: { a: 1 }, id: 's' })).status,
    200,
  )
  const got = await bert.json()
  assert.deepEqual(got, {
    system: true,
    toUser: 2,
    message: 'hello',
    data: { a: 1 },
    id: sent.body.id,
    time: sent.body.time,
    offset: 1,
  })
  await ask('POST', '/messages/user', say(1, 2, 'from one'))
  assert.equal((await bert.json()).fromUser, 1)
  await server.direct.sendSystem({ toUser: '2', message: 'inside' })
  assert.equal((await bert.json()).message, 'inside')
  assert.equal((await ask('POST', '/messages/system', { toUser: 2, message: 'no data', data: null })).status, 201)
  assert.equal('data' in (await bert.json()), false, 'as many languages write what is not there')
  assert.equal((await ask('POST', '/messages/system', { toUser: 2 })).body.field, 'message')
})

test('history is one’s own messages, sent and received, pending ones included, page by page', async (t) => {
  const { ask, server } = await start(t)
  for (let i = 0; i < 10; i++) {
    await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: `ab${i}` })
    await server.direct.sendUser({ fromUser: 'b', toUser: 'a', message: `ba${i}` })
    await server.direct.sendUser({ fromUser: 'c', toUser: 'b', message: `cb${i}` })
    await server.direct.sendSystem({ toUser: 'b', message: `s${i}` })
  }
  const page = async (
    query: string,
  ): Promise<{ messages: { message: string; offset: number }[]; next: number | null }> =>
    (await ask('GET', `/ws/history?${query}`)).body
  const texts = async (query: string): Promise<string[]> => (await page(query)).messages.map(({ message }) => message)
  assert.deepEqual(await texts('user=b&limit=4'), ['ab9', 'ba9', 'cb9', 's9'])
  assert.deepEqual(await texts('user=b&with=c&limit=3'), ['cb7', 'cb8', 'cb9'])
  assert.deepEqual(await texts('user=b&kind=system&limit=2'), ['s8', 's9'])
  assert.deepEqual(await texts('user=c&with=b&limit=2'), ['cb8', 'cb9'])
  assert.deepEqual(await texts('user=nobody'), [])
  assert.ok((await texts('user=a&limit=500')).every((text) => /^(ab|ba)/.test(text)))
  assert.ok((await texts('user=b&kind=user&limit=500')).every((text) => !text.startsWith('s')))
  const all: string[] = []
  for (let next: number | null = 0; next !== null; ) {
    const some = await page(`user=b&after=${next}&limit=7`)
    all.push(...some.messages.map(({ message }) => message))
    next = some.next
  }
  assert.equal(all.length, 40)
  assert.equal(new Set(all).size, 40)
  for (const query of [
    'limit=0',
    'limit=501',
    'limit=1.5',
    'limit=1e2',
    'limit=%201',
    'before=-1',
    'before=x',
    'kind=other',
    'before=1&after=1',
  ]) {
    const { status, body, type } = await ask('GET', `/ws/history?user=b&${query}`)
    assert.equal(status, 400, query)
    assert.match(type, /problem\+json/)
    assert.equal(body.code, 'invalid')
    assert.equal(body.field, query.split('=')[0])
  }
  assert.equal((await ask('GET', '/ws/history')).status, 401)
})

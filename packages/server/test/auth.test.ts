// Tokens in use: connections end with them and are renewed, permissions hold on every way, tickets are good once.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Config } from '../src/config.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { farWorld } from '../testing/far-clock.ts'
import { type Started, start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'
import { secret, token } from '../testing/tokens.ts'

const jwt: Partial<Config> = { authMode: 'jwt', authSecret: secret }
const rpc = ['nitka.rpc.v1']

function claims(user: string | undefined, seconds: number, allow?: readonly string[], now = Date.now()) {
  const exp = Math.floor(now / 1_000) + seconds
  return { ...(user === undefined ? {} : { sub: user }), exp, ...(allow === undefined ? {} : { nitka: allow }) }
}

const bearer = (user: string | undefined, allow?: readonly string[], seconds = 600) => ({
  authorization: `Bearer ${token(claims(user, seconds, allow))}`,
})

async function ask(
  { server }: Started,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<{ status: number; body: any }> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' }
  const response = await fetch(server.url + path, {
    method,
    headers: { ...headers, ...json },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text }
}

test('without a token nobody gets in anywhere, whoever they say to be; probes and documents answer', async (t) => {
  const started = await start(t, jwt)
  const { connect } = started
  for (const [method, path, body] of [
    ['GET', '/rooms?user=anna'],
    ['POST', '/rooms?user=anna', { name: 'x' }],
    ['GET', '/ws/history?user=anna'],
    ['POST', '/messages/user', { fromUser: 'a', toUser: 'b', message: 1 }],
    ['POST', '/messages/system', { toUser: 'b', message: 1 }],
    ['POST', '/batch', { operations: [{ task: {} }] }],
    ['POST', '/tasks', { payload: {} }],
    ['GET', '/tasks'],
    ['GET', '/queues'],
    ['POST', '/report', []],
    ['GET', '/task?batchsize=1'],
    ['POST', '/requests/x', { payload: 1 }],
    ['GET', '/requests'],
    ['POST', '/pools/list', {}],
    ['GET', '/metrics'],
    ['GET', '/trace/x?user=anna'],
    ['GET', '/relay/drops'],
    ['POST', '/tickets'],
    ['GET', '/rooms?ticket=x'],
    ['POST', '/rooms', '{'],
  ] as const) {
    const { status, body: said } = await ask(started, method, path, {}, body)
    assert.deepEqual([status, said.code], [401, 'unauthenticated'], `${method} ${path}`)
  }
  for (const path of ['/ws?user=anna', '/relay', '/relay/c?user=anna', '/rooms/tea/ws?user=anna', '/ws?ticket=x']) {
    await assert.rejects(connect(path), /^Error: 401 /, path)
  }
  await assert.rejects(connect('/relay', { protocols: rpc }), /^Error: 401 /)
  for (const path of ['/healthz', '/readyz', '/openapi.json'])
    assert.equal((await ask(started, 'GET', path, {})).status, 200)
  const client = await connect('/ws?user=anna', { protocols: rpc })
  await assert.rejects(client.call('rooms.list'), { code: 'unauthenticated' })
  await assert.rejects(client.call('relay.join', { channel: 'c' }), { code: 'unauthenticated' })
  await assert.rejects(client.call('session.hello'), { code: 'unauthenticated', field: 'token' })
})

test('every connection ends with its token: rpc, plain, relay, room, tasks and TCP', async (t) => {
  const clock = new SimulatedClock(Date.now())
  const started = await startAt(t, clock)
  const { server, connect } = started
  await server.rooms.create('anna', { id: 'tea', name: 'Tea', open: true })
  const until = (seconds: number, allow?: string[]) => ({
    authorization: `Bearer ${token(claims('anna', seconds, allow, clock.now()))}`,
  })
  const clients = await Promise.all([
    connect('/ws', { headers: until(60) }),
    connect('/ws', { headers: until(60), protocols: rpc }),
    connect('/relay/c', { headers: until(60) }),
    connect('/rooms/tea/ws', { headers: until(60) }),
  ])
  const lasting = await connect('/ws', { headers: until(120), protocols: rpc })
  const stream = await fetch(`${server.url}/task?batchsize=1`, { headers: until(60, ['tasks.work']) })
  const tcp = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  const given = token(claims('anna', 60, undefined, clock.now()))
  tcp.send({ jsonrpc: '2.0', id: 1, method: 'session.hello', params: { token: given } }, '\n')
  await tcp.until(() => tcp.values.length === 1, 'the hello')
  assert.equal(Date.parse(tcp.values[0].result.expires), Math.floor(clock.now() / 1_000) * 1_000 + 60_000)
  assert.equal(server.registry.size, 7)
  clock.advance(58_999)
  assert.equal(server.registry.size, 7)
  clock.advance(1_001)
  assert.equal(server.registry.size, 1)
  const closed = await Promise.all(clients.map((client) => client.closed))
  assert.deepEqual(new Set(closed.map(({ code }) => code)), new Set([3000]))
  await stream.text()
  await tcp.until(() => tcp.closed, 'the end')
  assert.equal(server.registry.ended.get('expired'), 6)
  assert.equal((await lasting.call('session.hello')).user, 'anna')
  lasting.terminate()
})

test('a newer token of the same user lengthens a connection; one of another user, a bad one and a shorter one do not', async (t) => {
  const clock = new SimulatedClock(Date.now())
  const { connect, server } = await startAt(t, clock)
  const given = (user: string | undefined, seconds: number, allow?: string[]) =>
    token(claims(user, seconds, allow, clock.now()))
  const client = await connect('/ws', { protocols: rpc })
  const first = await client.call('session.hello', { token: given('anna', 60, ['relay.join:a']) })
  assert.match(first.expires, /^\d{4}-.*Z$/)
  await client.call('relay.join', { channel: 'a' })
  await assert.rejects(client.call('relay.join', { channel: 'b' }), { code: 'forbidden' })
  clock.advance(40_000)
  await assert.rejects(client.call('session.hello', { token: given('bert', 600) }), {
    code: 'forbidden',
    field: 'token',
  })
  await assert.rejects(client.call('session.hello', { token: given(undefined, 600, ['*']) }), { code: 'forbidden' })
  await assert.rejects(client.call('session.hello', { token: `${given('anna', 600)}x` }), { code: 'unauthenticated' })
  assert.equal((await client.call('session.hello', { token: given('anna', 1) })).expires, first.expires)
  assert.equal((await client.call('session.hello')).expires, first.expires)
  const longer = await client.call('session.hello', { token: given('anna', 100, ['relay.join:b']) })
  assert.ok(longer.expires > first.expires)
  assert.equal(longer.session, first.session)
  await client.call('relay.join', { channel: 'b' })
  await assert.rejects(client.call('relay.join', { channel: 'c' }), { code: 'forbidden' })
  clock.advance(90_000)
  assert.equal((await client.call('session.hello')).user, 'anna')
  clock.advance(10_000)
  assert.equal((await client.closed).code, 3000)
  assert.equal(server.registry.size, 0)
})

test('what a token permits holds over rpc, HTTP, streams and TCP, and the hook has to agree', async (t) => {
  const asked: string[] = []
  const authorize = (user: string, action: string, target: string) => {
    asked.push(`${user} ${action} ${target}`)
    return target !== 'secret'
  }
  const started = await start(t, jwt, { authorize })
  const { connect, server } = started
  const worker = bearer('w', ['tasks.work:mail', 'tasks.report'])
  const status = async (method: string, path: string, headers: Record<string, string>, body?: unknown) =>
    (await ask(started, method, path, headers, body)).status
  assert.equal(await status('GET', '/task?batchsize=1&queue=sms', worker), 403)
  assert.equal(await status('POST', '/tasks', worker, { payload: {} }), 403)
  assert.equal(await status('POST', '/report', worker, []), 200)
  const anna = bearer('anna')
  assert.equal(await status('POST', '/rooms', anna, { id: 'tea', name: 'Tea' }), 201)
  for (const [method, path, body] of [
    ['GET', '/metrics'],
    ['GET', '/trace/x?user=anna'],
    ['GET', '/trace/x?room=tea'],
    ['GET', '/relay/drops'],
    ['POST', '/messages/user', { fromUser: 'bert', toUser: 'anna', message: 1 }],
    ['POST', '/messages/system', { toUser: 'anna', message: 1 }],
    ['POST', '/batch', { operations: [{ system: { toUser: 'anna', message: 1 } }] }],
    ['POST', '/tasks', { payload: {} }],
    ['GET', '/tasks'],
    ['DELETE', '/tasks/dead'],
    ['GET', '/requests'],
    ['POST', '/pools/add', { pool: 'p', resources: ['a'] }],
    ['POST', '/pools/acquire', { pool: 'p' }],
    ['GET', '/task?batchsize=1'],
  ] as const) {
    assert.equal(await status(method, path, anna, body), 403, `${method} ${path}`)
  }
  assert.equal(asked.filter((one) => one.startsWith('anna ') && !one.includes('rooms.create')).length, 0)
  const backend = bearer(undefined, ['backend.*', 'tasks.add:mail', 'admin.*'])
  assert.equal(await status('GET', '/metrics', backend), 200)
  assert.equal(await status('POST', '/messages/system', backend, { toUser: 'anna', message: 1 }), 201)
  const batch = (queue: string) => ({
    operations: [{ system: { toUser: 'anna', message: 2 } }, { task: { queue, payload: {} } }],
  })
  assert.equal(await status('POST', '/batch', backend, batch('sms')), 403)
  assert.equal(await status('POST', '/batch', backend, batch('mail')), 201)
  for (const [method, path, body] of [
    ['GET', '/rooms'],
    ['GET', '/ws/history'],
    ['POST', '/rooms', { name: 'x' }],
  ] as const) {
    assert.equal(await status(method, path, backend, body), 401, path)
  }
  for (const path of ['/ws', '/rooms/tea/ws']) await assert.rejects(connect(path, { headers: backend }), /^Error: 401 /)
  const nameless = await connect('/ws', { headers: backend, protocols: rpc })
  await nameless
    .call('tasks.add', { task: { queue: 'mail', payload: {} } })
    .catch((error) => assert.notEqual(error.code, 'forbidden'))
  await assert.rejects(nameless.call('rooms.list'), { code: 'unauthenticated' })
  await assert.rejects(nameless.call('tasks.work', { queue: 'mail', batch: 1 }), { code: 'forbidden' })
  await assert.rejects(connect('/relay/secret', { headers: anna }), /^Error: 403 /)
  await assert.rejects(connect('/rooms/tea/ws', { headers: bearer('anna', ['rooms.join:other']) }), /^Error: 403 /)
  const member = await connect('/ws', { headers: bearer('anna', ['direct.send']), protocols: rpc })
  await assert.rejects(member.call('rooms.add', { room: 'tea', user: 'carl' }), { code: 'forbidden' })
  const tcp = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  assert.deepEqual(await tcp.call('ping', 1, 5), { pong: 5 })
  assert.match((await tcp.call('x', 2, 5)).err, /session\.hello/)
  assert.match((await tcp.call('pool.list', 3)).err, /session\.hello/)
  tcp.send({ jsonrpc: '2.0', id: 1, method: 'session.hello', params: { token: token(claims('anna', 60)) } }, '\n')
  await tcp.until(() => tcp.values.some(({ id }) => id === 1), 'the hello')
  assert.match((await tcp.call('x', 4, 5)).err, /executor/)
  assert.match((await tcp.call('pool.list', 5)).err, /not permitted/)
})

test('a ticket opens one connection, as its user and with the same rights and end', async (t) => {
  const clock = new SimulatedClock(Date.now())
  const started = await startAt(t, clock)
  const { connect, server } = started
  const headers = { authorization: `Bearer ${token(claims('anna', 100, ['tasks.work'], clock.now()))}` }
  const issue = async (body?: unknown): Promise<string> => {
    const answer = await ask(started, 'POST', '/tickets', headers, body)
    assert.equal(answer.status, 201)
    assert.ok(Date.parse(answer.body.expires) - clock.now() === 30_000)
    return answer.body.ticket
  }
  const streamed = async (ticket: string, path = '/task?batchsize=1'): Promise<number> => {
    const response = await fetch(`${server.url}${path}&ticket=${ticket}&user=bert`)
    if (response.status !== 200) await response.text()
    return response.status
  }
  const ticket = await issue()
  assert.equal(await streamed(ticket), 200)
  assert.deepEqual(
    [...server.registry.of('anna')].map(({ who }) => who.allow),
    [['tasks.work']],
  )
  assert.equal(await streamed(ticket), 401)
  const bound = await issue({ purpose: '/ws' })
  assert.equal(await streamed(bound), 401)
  await assert.rejects(connect(`/ws?ticket=${bound}`), /^Error: 401 /)
  const socket = await connect(`/ws?ticket=${await issue({ purpose: '/ws' })}`, { protocols: rpc })
  assert.equal((await socket.call('session.hello')).user, 'anna')
  await assert.rejects(socket.call('relay.join', { channel: 'a' }), { code: 'forbidden' })
  // Good for connections only, and for nothing that was asked with a method of its own.
  const spare = await issue()
  assert.equal((await ask(started, 'GET', `/rooms?ticket=${spare}`, {})).status, 401)
  assert.equal((await ask(started, 'POST', `/tickets?ticket=${spare}`, {})).status, 401)
  assert.equal((await ask(started, 'POST', '/tickets', headers, { purpose: 1 })).status, 400)
  await assert.rejects(connect(`/ws?ticket=${spare}&ticket=${spare}`), /^Error: 400 /)
  clock.advance(100_000)
  assert.equal((await socket.closed).code, 3000)
  clock.advance(5_000)
  assert.equal((await ask(started, 'POST', '/tickets', headers)).status, 401)
})

test('in open mode tickets work as with tokens, so that a page written for them can be tried', async (t) => {
  const started = await start(t)
  const { status, body } = await ask(started, 'POST', '/tickets?user=anna', {})
  assert.equal(status, 201)
  const client = await started.connect(`/ws?ticket=${body.ticket}`, { protocols: rpc })
  assert.equal((await client.call('session.hello')).user, 'anna')
  await assert.rejects(started.connect(`/ws?ticket=${body.ticket}`), /^Error: 401 /)
  const nobody = await ask(started, 'POST', '/tickets', {})
  const stream = await fetch(`${started.server.url}/task?batchsize=1&ticket=${nobody.body.ticket}`)
  assert.equal(stream.status, 200)
  await stream.body?.cancel()
})

test('in open mode nobody is asked for a token, and nothing ends', async (t) => {
  const started = await start(t)
  const client = await started.connect('/ws?user=anna', { protocols: rpc, headers: bearer('bert') })
  const hello = await client.call('session.hello', { token: 'carl' })
  assert.deepEqual([hello.user, hello.expires], ['anna', undefined])
})

/** A server whose sessions live by `clock`; what it stores and sends goes on by itself. */
function startAt(t: TestContext, clock: SimulatedClock, wishes: Partial<Config> = {}): Promise<Started> {
  return start(t, { ...jwt, ...wishes }, { world: farWorld(clock) })
}

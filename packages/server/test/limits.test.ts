// Limits of users and addresses, as a client meets them.

import assert from 'node:assert/strict'
import { request as requestHttp } from 'node:http'
import { test } from 'node:test'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { clientFrame, opcodes } from '../testing/frames.ts'
import { RawClient, RawSocket } from '../testing/raw.ts'
import { start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'
import { secret, token } from '../testing/tokens.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }
const jwt = { authMode: 'jwt', authSecret: secret }

function tokenOf(user: string, seconds = 600): string {
  return token({ sub: user, exp: Math.floor(Date.now() / 1_000) + seconds, nitka: ['*'] })
}

test('an address that shows one wrong token after the other is told to come back; good ones are taken, from there too', async (t) => {
  const { server, ask } = await start(t, jwt, { world: stillWorld(new SimulatedClock(Date.now())) })
  const from = async (remoteAddress: string, given: string) => {
    const headers = { authorization: `Bearer ${given}`, host: 'localhost' }
    const { statusCode, body } = await server.http.inject({ url: '/rooms', remoteAddress, headers })
    return [statusCode, JSON.parse(body).code]
  }
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(await from('192.0.2.1', tokenOf('anna', -60)), [401, 'unauthenticated'], 'expired is no guess')
  }
  for (let i = 0; i < 10; i++) assert.deepEqual(await from('192.0.2.1', `${i}`), [401, 'unauthenticated'])
  assert.deepEqual(await from('192.0.2.1', 'guess'), [429, 'overloaded'])
  assert.deepEqual(await from('192.0.2.1', tokenOf('anna')), [200, undefined])
  assert.deepEqual(await from('192.0.2.2', 'guess'), [401, 'unauthenticated'])
  assert.deepEqual(await from('127.0.0.1', 'guess'), [401, 'unauthenticated'])
  assert.deepEqual(await from('192.0.2.1', 'guess'), [429, 'overloaded'])
  const metrics = await server.http.inject({
    ...{ url: '/metrics', remoteAddress: '192.0.2.2' },
    headers: { authorization: `Bearer ${tokenOf('ops')}`, host: 'localhost' },
  })
  assert.match(metrics.body, /^nitka_logins_refused_total 2$/m)
  assert.equal((await ask('GET', '/healthz')).status, 200)
})

test('loopback may guess and fail as often as it likes', async (t) => {
  const { connect } = await start(t, { ...jwt, helloMs: 60_000, connectionsPerUser: 0 })
  const clients = await Promise.all(Array.from({ length: 40 }, () => connect('/ws', rpc)))
  for (const client of clients) {
    await assert.rejects(client.call('session.hello', { token: 'guess' }), { code: 'unauthenticated' })
  }
  for (const client of clients)
    assert.equal((await client.call('session.hello', { token: tokenOf('anna') })).user, 'anna')
})

test('a user creates so many rooms an hour, over rpc and HTTP together; another is not concerned', async (t) => {
  const { server, connect } = await start(t, { ...jwt, roomsPerHour: 3 })
  const client = (user: string) => connect('/ws', { ...rpc, headers: { authorization: `Bearer ${tokenOf(user)}` } })
  const post = async (user: string) => {
    const headers = { authorization: `Bearer ${tokenOf(user)}`, 'content-type': 'application/json' }
    return (await fetch(`${server.url}/rooms`, { method: 'POST', headers, body: '{"name":"x"}' })).status
  }
  const [anna, bert] = await Promise.all([client('anna'), client('bert')])
  await anna.call('rooms.create', { name: 'x', id: 'tea' })
  for (let i = 0; i < 5; i++) {
    await assert.rejects(anna.call('rooms.create', { name: 'x', id: 'tea' }), { code: 'conflict' })
  }
  assert.equal(await post('anna'), 201)
  await anna.call('rooms.create', { name: 'x' })
  await assert.rejects(anna.call('rooms.create', { name: 'x' }), { code: 'overloaded', message: /3 rooms an hour/ })
  assert.equal(await post('anna'), 429)
  assert.equal((await anna.call('rooms.list')).rooms.length, 3)
  await bert.call('rooms.create', { name: 'x' })
  await server.rooms.create('anna', { name: 'by the program' })
})

test('what an executor returns is at most a mebibyte of JSON, whichever way it was asked', async (t) => {
  const { server, connect, ask } = await start(t)
  const results: Record<string, unknown> = {
    most: 'x'.repeat(2 ** 20 - 2),
    more: 'x'.repeat(2 ** 20 - 1),
    circle: new Proxy({}, { ownKeys: () => assert.fail('no JSON') }),
    nothing: undefined,
  }
  for (const [type, result] of Object.entries(results)) server.requests.handle(type, () => result)
  const client = await connect('/ws?user=anna', rpc)
  const tcp = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  const post = (type: string) => ask('POST', `/requests/${type}`, { payload: 1 })
  assert.equal((await client.call('requests.call', { type: 'most' })).result, results.most)
  assert.equal((await post('most')).body.result, results.most)
  assert.equal(await tcp.call('most', 1), results.most)
  for (const [type, why] of [
    ['more', /larger than 1048576/],
    ['circle', /no JSON/],
  ] as const) {
    await assert.rejects(client.call('requests.call', { type }), { code: 'failed', message: why })
    const { status, body } = await post(type)
    assert.equal(status, 422)
    assert.match(body.detail, why)
    assert.match((await tcp.call(type, 2)).err, why)
  }
  assert.equal((await client.call('requests.call', { type: 'nothing' })).result, null)
  assert.equal((await post('nothing')).body.result, null)
  assert.equal(await tcp.call('nothing', 3), null)
})

test('a node has so many sockets in all, whatever they are for; what is too many is dropped and counted', async (t) => {
  const { server } = await start(t)
  const { server: listener } = server.http
  assert.equal(listener.maxConnections, 51_000)
  // The same mechanism, sooner.
  listener.maxConnections = 20
  const sockets = Array.from({ length: 30 }, () => new RawSocket(t, server.url))
  await eventually(() => sockets.filter(({ over }) => over).length === 10, 'ten to be dropped')
  assert.equal(server.registry.refused, 10)
  for (const socket of sockets.filter(({ over }) => !over).slice(0, 5)) socket.socket.destroy()
  await eventually(
    async () => (await fetch(`${server.url}/healthz`).catch(() => undefined))?.status === 200,
    'room to be made',
  )
})

test('one connection cannot have requests without end under way', async (t) => {
  const { server } = await start(t)
  let answer: ((value: unknown) => void) | undefined
  server.requests.handle('slow', () => new Promise((resolve) => (answer = resolve)))
  const greedy = new RawSocket(t, server.url)
  const body = JSON.stringify({ payload: 'x'.repeat(600_000) })
  const head = `POST /requests/slow HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  const waiting = () => server.requests.waiting + server.requests.running
  for (let i = 0; i < 20; i++) greedy.send(head + body)
  await eventually(() => waiting() >= 13, '8 MiB to wait')
  assert.equal((await fetch(`${server.url}/requests`)).status, 200)
  assert.equal(waiting(), 13)
  const flood = new RawSocket(t, server.url)
  const small = `POST /requests/slow HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"payload":1}`
  flood.send(small.repeat(1_200))
  await flood.ended
  await eventually(() => waiting() === 13, 'what it asked to be dropped')
  answer?.(1)
  await greedy.until(() => greedy.text.startsWith('HTTP/1.1 200 '), 'an answer')
})

test('bodies that do not say how large they are cost what they are: hundreds may be under way', async (t) => {
  const { server } = await start(t)
  const waiting: ((result: unknown) => void)[] = []
  server.requests.handle('slow', () => new Promise((resolve) => waiting.push(resolve)), { concurrency: 1_000 })
  const statuses = Array.from({ length: 200 }, () => postChunked(`${server.url}/requests/slow`, '{"payload":1}'))
  await eventually(() => waiting.length === 200, 'all to be begun')
  for (const answer of waiting) answer(1)
  assert.ok((await Promise.all(statuses)).every((status) => status === 200))
})

test('where nobody is asked who they are, nobody is counted by their name', async (t) => {
  const { connect } = await start(t, { roomsPerHour: 3 })
  const anna = await connect('/ws?user=anna', rpc)
  for (let i = 0; i < 10; i++) await anna.call('rooms.create', { name: 'x' })
})

test('two connections of a user are read at the rate of the user together; nothing is lost, and others are not slowed', async (t) => {
  const clock = new SimulatedClock()
  const wishes = { rate: 1_000, burst: 100, userRates: 1 }
  const { server, connect } = await start(t, wishes, { world: stillWorld(clock) })
  const [one, two, other] = await Promise.all(['anna', 'anna', 'bert'].map((user) => connect(`/ws?user=${user}`, rpc)))
  assert.ok(one && two && other)
  const pings = (client: typeof one, count: number) =>
    Promise.all(Array.from({ length: count }, () => client.call('session.ping')))
  const held = (user: string) => [...server.registry.of(user)].reduce((sum, { intake }) => sum + intake.held, 0)
  const both = Promise.all([pings(one, 80), pings(two, 80)])
  await eventually(() => held('anna') > 0, 'one of them to be held back')
  await pings(other, 80)
  assert.equal(held('bert'), 0)
  clock.advance(1_000)
  await both
})

test('a client that joins and leaves without end is read more slowly', async (t) => {
  const clock = new SimulatedClock()
  const { server, connect } = await start(t, { joins: 1_000, unanswered: 0 }, { world: stillWorld(clock) })
  const client = await connect('/ws?user=anna', rpc)
  const [session] = server.registry.sessions
  const rounds = async (count: number): Promise<void> => {
    const calls = Array.from({ length: count }, () => [
      client.call('relay.join', { channel: 'c' }),
      client.call('relay.leave', { channel: 'c' }),
    ])
    await Promise.all(calls.flat())
  }
  await rounds(200)
  assert.equal(session?.intake.held, 0)
  const more = rounds(400)
  await eventually(() => (session?.intake.held ?? 0) > 0, 'it to be held back')
  clock.advance(1_000)
  await more
})

test('who pings without end is read more slowly, and answered', async (t) => {
  const clock = new SimulatedClock()
  const { server } = await start(t, {}, { world: stillWorld(clock) })
  const client = await RawClient.open(t, server.url, '/relay')
  const [session] = server.registry.sessions
  const ping = async (count: number): Promise<void> => {
    const had = client.frames.length
    client.raw.send(Buffer.concat(Array.from({ length: count }, () => clientFrame(opcodes.ping, 'x'))))
    await client.until(() => client.frames.length === had + count, 'pongs')
  }
  await ping(1_000)
  assert.equal(session?.intake.held, 0, 'so many are fine')
  await ping(5)
  assert.equal(session?.intake.held, 1)
  clock.advance(1_000)
  await ping(1)
})

test('two that answer each other may have more requests under way than calls of a connection, and do not wait for ever', async (t) => {
  const { connect } = await start(t, { unanswered: 10, requestMs: 0 })
  const answering = async (type: string) => {
    const client = await connect('/ws?user=anna', rpc)
    client.ws.on('message', (text) => {
      const { method, params } = JSON.parse(String(text))
      if (method === 'requests.execute') client.send(resultOf(params.id))
    })
    await client.call('requests.execute', { type, concurrency: 100 })
    return client
  }
  const [one, two] = await Promise.all([answering('one'), answering('two')])
  const ask = (client: typeof one, type: string) =>
    Array.from({ length: 30 }, () => client.call('requests.call', { type }))
  const answers = await Promise.all([...ask(one, 'two'), ...ask(two, 'one')])
  assert.equal(answers.length, 60)
})

test('who answers others and asks without end is told that it is too much, and its answers are taken', async (t) => {
  const { connect } = await start(t, { unanswered: 10, requestMs: 0 })
  const client = await connect('/ws?user=anna', rpc)
  await client.call('requests.execute', { type: 'mine', concurrency: 100 })
  const outcomes: string[] = []
  const ask = () =>
    client.call('requests.call', { type: 'mine' }).then(
      () => outcomes.push('answered'),
      ({ code }) => outcomes.push(code),
    )
  const first = ask()
  const { params } = await client.json()
  const others = Array.from({ length: 59 }, ask)
  const asked = await client.jsons(39)
  await eventually(() => outcomes.length === 20, 'the refusals')
  assert.deepEqual(new Set(outcomes), new Set(['overloaded']))
  for (const id of [params.id, ...asked.map((one) => one.params.id)]) client.send(resultOf(id))
  await Promise.all([first, ...others])
  assert.equal(outcomes.filter((one) => one === 'answered').length, 40)
})

test('a call that is nested too deeply is refused to whoever made it', async (t) => {
  const { connect } = await start(t)
  const client = await connect('/ws?user=anna', rpc)
  let deep: unknown = 1
  for (let i = 0; i < 40; i++) deep = [deep]
  await assert.rejects(client.call('rooms.send', { room: 'tea', message: deep }), { code: 'invalid', message: /deep/ })
})

function resultOf(id: number): object {
  return { jsonrpc: '2.0', method: 'requests.result', params: { id, result: 1 } }
}

/** Posts without a Content-Length; gives the status. */
function postChunked(url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = requestHttp(url, { method: 'POST' }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', reject)
    request.write(body)
    request.end()
  })
}

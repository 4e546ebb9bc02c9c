import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { test } from 'node:test'
import { calls, notifications } from '@nitka/protocol/schemas'
import { series } from '../src/observe/series.ts'
import { eventually } from '../testing/eventually.ts'
import { start } from '../testing/server.ts'

test('the server describes itself: every route, every call, every notification, every metric', async (t) => {
  const { ask } = await start(t)
  const openapi = (await ask('GET', '/openapi.json')).body
  assert.equal(openapi.openapi, '3.1.0')
  for (const path of [
    '/rooms',
    '/rooms/{room}/messages',
    '/ws/history',
    '/messages/user',
    '/messages/system',
    '/batch',
    '/healthz',
    '/readyz',
    '/metrics',
    '/trace/{id}',
  ]) {
    assert.ok(path in openapi.paths, path)
  }
  const asyncapi = (await ask('GET', '/asyncapi.json')).body
  assert.equal(asyncapi.asyncapi, '3.0.0')
  for (const name of Object.keys(calls)) assert.ok(name in asyncapi.operations, name)
  for (const name of Object.keys(notifications)) assert.ok(`${name}.notification` in asyncapi.operations, name)
  const metrics = String((await ask('GET', '/metrics')).body)
  for (const name of Object.keys(series)) assert.ok(metrics.includes(`# TYPE ${name} `), name)
  assert.ok(metrics.includes('nitka_store_commit_seconds_bucket'))
})

test('probes answer, whatever Host they come with', async (t) => {
  const { ask, server } = await start(t)
  for (const path of ['/healthz', '/livez', '/health']) assert.equal((await ask('GET', path)).status, 200)
  assert.deepEqual((await ask('GET', '/readyz')).body, { status: 'ready', durability: 'disk' })
  const { status: probe } = await raw(server.url, 'GET /readyz HTTP/1.1\r\nHost: 10.1.2.3\r\nConnection: close\r\n\r\n')
  assert.equal(probe, 200)
  const { status: page } = await raw(server.url, 'GET /metrics HTTP/1.1\r\nHost: 10.1.2.3\r\nConnection: close\r\n\r\n')
  assert.equal(page, 403)
})

test('a web page of another origin is refused over HTTP', async (t) => {
  const { server } = await start(t)
  const { host } = new URL(server.url)
  for (const origin of ['http://evil.example', 'null', `http://${host}.evil.example`, `http://evil-${host}`]) {
    const head = `POST /messages/system HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
    assert.equal((await raw(server.url, head)).status, 403, origin)
  }
})

test('a web page of an origin on the list may send json and read the answers, streams too', async (t) => {
  const origin = 'https://app.example'
  const { server } = await start(t, { origins: [origin] })
  const allowed = async (path: string, init: RequestInit = {}): Promise<[number, string | null]> => {
    const response = await fetch(server.url + path, { ...init, headers: { origin, ...init.headers } })
    await response.body?.cancel()
    return [response.status, response.headers.get('access-control-allow-origin')]
  }
  assert.deepEqual(await allowed('/rooms?user=ann'), [200, origin])
  assert.deepEqual(await allowed('/rooms'), [401, origin])
  assert.deepEqual(await allowed('/task?batchsize=1'), [200, origin])
  assert.deepEqual(await allowed('/report', { method: 'POST', body: '[]' }), [200, origin])
  const wish = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }
  const preflight = await fetch(`${server.url}/report`, { method: 'OPTIONS', headers: { origin, ...wish } })
  assert.equal(preflight.status, 204)
  assert.match(String(preflight.headers.get('access-control-allow-methods')), /POST/)
  assert.match(String(preflight.headers.get('access-control-allow-headers')), /authorization, content-type/)
  const evil = await fetch(`${server.url}/report`, {
    method: 'OPTIONS',
    headers: { ...wish, origin: 'https://evil.example' },
  })
  assert.deepEqual([evil.status, evil.headers.get('access-control-allow-origin')], [403, null])
})

test('odd content types never slip past the checks', async (t) => {
  const { server, ask } = await start(t)
  const { host } = new URL(server.url)
  const body = '{"toUser":"b"}'
  for (const type of [
    'text/plain',
    ' application/json ;',
    'application/json\t',
    'application/x-www-form-urlencoded',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    '',
  ]) {
    const header = type === '' ? '' : `Content-Type: ${type}\r\n`
    const head = `POST /messages/system HTTP/1.1\r\nHost: ${host}\r\n${header}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`
    const { status } = await raw(server.url, head + body)
    assert.equal(status, 400, JSON.stringify(type))
  }
  assert.deepEqual((await ask('GET', '/ws/history?user=b')).body.messages, [])
})

test('what is too large, too long or unreadable is a problem document', async (t) => {
  const { server, ask } = await start(t)
  assert.equal((await ask('POST', '/messages/system', `{"toUser":"b","message":"${'x'.repeat(2 ** 20)}"}`)).status, 413)
  const long = await ask('GET', `/rooms/${'x'.repeat(10_000)}?user=a`)
  assert.deepEqual([long.status, long.body.code], [431, 'too-large'])
  const { status, text } = await raw(server.url, 'this is no HTTP\r\n\r\n')
  assert.equal(status, 400)
  assert.match(text, /problem\+json/)
  const missing = await ask('GET', '/nothing/here')
  assert.deepEqual([missing.status, missing.body.code], [404, 'not-found'])
  assert.match((await ask('GET', '/')).body.detail, /openapi\.json/)
})

test('whoever must say who they are is told by which scheme', async (t) => {
  const { server } = await start(t)
  const { host } = new URL(server.url)
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n'
  for (const [path, headers] of [
    ['/rooms', 'Connection: close\r\n'],
    ['/ws', upgrade],
  ] as const) {
    const { status, text } = await raw(server.url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`)
    assert.equal(status, 401)
    assert.match(text, /\r\nwww-authenticate: bearer\r\n/i)
  }
})

test('a websocket path says what it is to who comes without an upgrade, or with one that is wrong', async (t) => {
  const { server, ask } = await start(t)
  const { host } = new URL(server.url)
  for (const path of ['/ws', '/ws?user=a', '/relay', '/relay/c', '/rooms/tea/ws']) {
    const { status, body, type } = await ask('GET', path)
    assert.deepEqual([status, body.status, body.code, body.field], [426, 426, 'invalid', 'Upgrade'], path)
    assert.match(type, /problem\+json/)
  }
  assert.equal((await ask('POST', '/ws', {})).status, 404)
  const upgrade = `GET /ws?user=a HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`
  for (const rest of ['Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n', '']) {
    const { status, text } = await raw(server.url, `${upgrade}${rest}\r\n`)
    assert.equal(status, 400)
    assert.match(text, /problem\+json[\s\S]*Sec-WebSocket-Version: 13[\s\S]*"code":"invalid"/)
  }
})

test('an offer to change to HTTP/2 is declined by an answer, and too many headers are refused', async (t) => {
  const { server } = await start(t)
  const { host } = new URL(server.url)
  const offer = 'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
  assert.equal((await raw(server.url, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n${offer}\r\n`)).status, 200)
  const many = Array.from({ length: 80 }, (_, i) => `X-${i}: 1\r\n`).join('')
  const { status, text } = await raw(
    server.url,
    `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${many}\r\n`,
  )
  assert.equal(status, 413)
  assert.match(text, /at most 64 headers/)
})

test('a picture or a download of a foreign page claims no tasks', async (t) => {
  const { server } = await start(t)
  await server.tasks.add({ payload: { Period: 1 } })
  const { host } = new URL(server.url)
  const get = (header: string) =>
    raw(server.url, `GET /task?batchsize=1 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${header}\r\n\r\n`)
  for (const site of ['cross-site', 'same-site']) {
    const { status, text } = await get(`Sec-Fetch-Site: ${site}`)
    assert.equal(status, 403)
    assert.match(text, /"field":"Origin"/)
  }
  assert.equal(server.tasks.queues()[0]?.ready, 1)
  for (const site of ['same-origin', 'none']) {
    const answer = await fetch(`${server.url}/task?batchsize=1`, { headers: { 'sec-fetch-site': site } })
    assert.equal(answer.status, 200)
    await answer.body?.cancel()
  }
})

test('a storm of connections is let in bit by bit, and told to come back', async (t) => {
  const { connect, server } = await start(t, { handshakes: 1, handshakeBurst: 3 })
  const tries = await Promise.allSettled(Array.from({ length: 30 }, () => connect('/relay')))
  const refused = tries.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))
  assert.ok(refused.length >= 10, `${refused.length} refused`)
  for (const reason of refused) assert.match(reason, /429 .*too many connections are being opened/)
  assert.ok(server.registry.size >= 3)
})

test('a batch is stored all or not at all', async (t) => {
  const { ask, server } = await start(t)
  await server.rooms.create('ann', { id: 'tea', name: 'Tea' })
  const user = (message: unknown, id?: string) => ({ user: { fromUser: 'x', toUser: 'b', message, ...(id && { id }) } })
  const room = (from: string) => ({ room: { room: 'tea', from, message: 'in the room' } })
  const system = { system: { toUser: 'b', message: 'system' } }
  await ask('POST', '/messages/user', { fromUser: 'x', toUser: 'b', message: 'first', id: 'used' })
  const stored = async (): Promise<number> => (await ask('GET', '/ws/history?user=b')).body.messages.length
  for (const [operations, status] of [
    [[user('a'), room('stranger')], 403],
    [[user('a'), user('other', 'used'), system], 409],
    [[user('a'), user('')], 400],
    [[user('a'), { nothing: {} }], 400],
    [[], 400],
    [[user('a'), { room: { room: 'none', from: 'ann', message: 1 } }], 404],
  ] as const) {
    assert.equal((await ask('POST', '/batch', { operations })).status, status)
    assert.equal(await stored(), 1)
  }
  const good = await ask('POST', '/batch', { operations: [user('a'), system, room('ann'), user('first', 'used')] })
  assert.equal(good.status, 201)
  assert.deepEqual(
    good.body.results.map(({ offset, repeated }: { offset: number; repeated: boolean }) => [offset, repeated]),
    [
      [2, false],
      [3, false],
      [1, false],
      [1, true],
    ],
  )
  assert.equal(await stored(), 3)
})

test('what is wrong in a batch is told of the operation that was meant', async (t) => {
  const { ask } = await start(t)
  const good = { system: { toUser: 'b', message: 'm' } }
  for (const [operation, field, said] of [
    [{ room: { room: 'tea', message: 'x' } }, 'operations.1.room.from', /^operations\.1\.room\.from is missing$/],
    [{ system: { toUser: 'b' } }, 'operations.1.system.message', /is missing$/],
    [{ task: { payload: 5 } }, 'operations.1.task.payload', /must be object$/],
    [{ task: { payload: {}, backoff: { ms: 1 } } }, 'operations.1.task.backoff.kind', /is missing$/],
    [{ user: { fromUser: 1, toUser: 2, message: 'x' }, task: { payload: {} } }, 'operations.1', /exactly one of user/],
    [{ toString: {} }, 'operations.1', /exactly one of user, system, room, task$/],
    [{}, 'operations.1', /exactly one/],
    [5, 'operations.1', /must be object$/],
  ] as const) {
    const { status, body } = await ask('POST', '/batch', { operations: [good, operation] })
    assert.deepEqual([status, body.code, body.field], [400, 'invalid', field], JSON.stringify(operation))
    assert.match(body.detail, said)
  }
  assert.equal((await ask('POST', '/batch', [])).status, 400)
  assert.equal((await ask('GET', '/ws/history?user=b')).body.messages.length, 0)
})

test('a batch of as many operations as there may be is taken, whatever fields they have', async (t) => {
  const { ask } = await start(t)
  const operations = Array.from({ length: 500 }, (_, i) => ({
    user: { fromUser: 'x', toUser: 'b', message: { a: i, b: 1 }, id: `i${i}` },
  }))
  const { status, body } = await ask('POST', '/batch', { operations })
  assert.deepEqual([status, body.results.length], [201, 500])
  assert.equal((await ask('POST', '/batch', { operations: [...operations, operations[0]] })).status, 400)
})

test('messages and tasks of a batch are stored together or not at all', async (t) => {
  const { ask, server } = await start(t)
  const user = { user: { fromUser: 'x', toUser: 'b', message: 'your file is being made' } }
  const task = (payload: object, key?: string) => ({ task: { payload, queue: 'files', ...(key && { key }) } })
  const other = { user: { fromUser: 'x', toUser: 'b', message: 'other', id: 'used' } }
  await ask('POST', '/messages/user', { fromUser: 'x', toUser: 'c', message: 'first', id: 'used' })
  await ask('POST', '/messages/user', { fromUser: 'x', toUser: 'b', message: 'first', id: 'used' })
  await ask('POST', '/tasks', { payload: { n: 1 }, queue: 'files', key: 'one' })
  const state = async (): Promise<unknown> => [
    (await ask('GET', '/ws/history?user=b')).body.messages.length,
    server.tasks.queues()[0]?.ready,
  ]
  for (const [operations, status] of [
    [[user, task({ n: 2 }, 'one')], 409],
    [[task({ n: 3 }), other], 409],
    [[user, task({ Id: 1 })], 400],
    [[user, { task: { queue: 'files' } }], 400],
  ] as const) {
    assert.equal((await ask('POST', '/batch', { operations })).status, status)
    assert.deepEqual(await state(), [1, 1])
  }
  const good = await ask('POST', '/batch', { operations: [task({ n: 1 }, 'one'), user, task({ n: 4 })] })
  const [known, sent, added] = good.body.results
  assert.deepEqual([known.repeated, sent.offset, added.queue, added.repeated], [true, 2, 'files', false])
  assert.deepEqual(await state(), [2, 2])
  assert.equal((await ask('GET', `/tasks/${added.id}`)).body.payload.n, 4)
})

test('who sends what is no HTTP is cut off after the answer, also when it does not close', async (t) => {
  const { server } = await start(t)
  const { hostname, port } = new URL(server.url)
  const socket = connectTcp({ host: hostname, port: Number(port), allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  socket.write('garbage\r\n\r\n')
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1.1 400 [\s\S]*problem\+json/)
  const open = () =>
    new Promise<number>((resolve) => server.http.server.getConnections((_error, count) => resolve(count)))
  await eventually(async () => (await open()) === 0, 'the socket to be gone')
})

test('who sends too large a body hears it though it sends on, and the connection lives; without end it does not', async (t) => {
  const { server } = await start(t)
  const { hostname, port, host } = new URL(server.url)
  const socket = connectTcp(Number(port), hostname)
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  let text = ''
  socket.on('data', (chunk) => (text += chunk))
  const answers = (): number => text.split('HTTP/1.1 ').length - 1
  const post = (bytes: number): string =>
    `POST /rooms?user=ann HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${bytes}\r\n\r\n`
  const mebibyte = Buffer.alloc(2 ** 20, 'x')

  socket.write(post(5 * 2 ** 20))
  await eventually(() => answers() === 1, 'the refusal')
  for (let i = 0; i < 5; i++) socket.write(mebibyte)
  socket.write(`${post(1)}{GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  await eventually(() => answers() === 3, 'the answers to what came behind')
  assert.deepEqual(
    [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['413', '400', '200'],
  )

  socket.write(post(2 ** 30))
  await eventually(() => {
    if (!socket.destroyed && socket.writableLength === 0) socket.write(mebibyte)
    return socket.destroyed
  }, 'the end of who does not stop')
})

/** Sends bytes and reads the answer to its end. */
async function raw(url: string, request: string): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  socket.end(request)
  let text = ''
  for await (const chunk of socket) text += chunk
  return { status: Number(text.split(' ')[1]), text }
}

test('how much a confirmation is worth is told to clients, by the probe and as a metric', async (t) => {
  for (const durability of ['disk', 'relaxed'] as const) {
    const { ask, connect } = await start(t, { durability })
    const client = await connect('/ws?user=anna', { protocols: ['nitka.rpc.v1'] })
    assert.equal((await client.call('session.hello')).durability, durability)
    assert.equal((await ask('GET', '/readyz')).body.durability, durability)
    const { body } = await ask('GET', '/metrics')
    assert.match(body, new RegExp(`^nitka_store_durability\\{durability="${durability}"\\} 1$`, 'm'))
  }
})

// Who may do what: a row a call, a column a kind of user, over every way in. The rows are held against the schemas: a call or
// a route without one fails.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { calls } from '@nitka/protocol/schemas'
import { poolCalls } from '../src/pools/calls.ts'
import { type Started, start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'
import { secret, token } from '../testing/tokens.ts'

/**
 * The columns. `nobody` shows no token; `void` one that permits nothing; `stranger`, `former` and `member` are ordinary users,
 * who never were in the room, were removed from it, and made it; `backend` may everything and is nobody by name; `admin` may
 * everything and is in no room.
 */
const kinds = ['nobody', 'void', 'stranger', 'former', 'member', 'backend', 'admin'] as const
type Kind = (typeof kinds)[number]

/** `U` unauthenticated, `F` forbidden, `N` not found, `.` let through: what comes then is not about who asks. */
type Verdict = 'U' | 'F' | 'N' | '.'

interface Things {
  /** A message in the room, and one of the member to somebody. */
  readonly message: string
  readonly letter: string
  readonly task: string
  readonly dead: string
  readonly hold: string
  readonly booking: string
}

const room = 'tea'
const long = '2031-01-01T00:00:00.000Z'
const longer = '2031-01-01T01:00:00.000Z'

/** By call; the word after a blank tells rows of one call apart. Columns as `kinds`. */
const rpcRows: Readonly<Record<string, readonly [verdicts: string, params?: (things: Things) => object]>> = {
  'session.hello': ['U......'],
  'session.ping': ['.......'],
  'session.trace': ['UNNN.UN', ({ letter }) => ({ id: letter })],
  'session.trace room': ['UFFF.UF', ({ message }) => ({ id: message, room })],
  'relay.join': ['UF.....', () => ({ channel: 'c' })],
  'relay.leave': ['U......', () => ({ channel: 'c' })],
  'relay.publish': ['UFFFFFF', () => ({ channel: 'never-joined', message: 1 })],
  'direct.send': ['UF...U.', () => ({ to: 'x', message: 1 })],
  'direct.resume': ['U....U.', () => ({})],
  'direct.ack': ['U....U.', () => ({ offset: 0 })],
  'direct.read': ['U....U.', () => ({ offset: 0 })],
  'direct.history': ['U....U.', () => ({})],
  'rooms.create': ['UF...U.', () => ({ name: 'New' })],
  'rooms.list': ['U....U.', () => ({})],
  'rooms.join': ['UFFF.UF', () => ({ room })],
  'rooms.join since': ['UFFF.UF', () => ({ room, since: { offset: 0 } })],
  'rooms.leave': ['U....U.', () => ({ room })],
  'rooms.send': ['UFFF.UF', () => ({ room, message: 1 })],
  'rooms.history': ['UFFF.UF', () => ({ room })],
  'rooms.read': ['UFFF.UF', () => ({ room, offset: 1 })],
  'rooms.signal': ['UFFF.UF', () => ({ room, signal: 1 })],
  'rooms.members': ['UFFF.UF', () => ({ room })],
  'rooms.add': ['UFFF.UF', () => ({ room, user: 'guest' })],
  'rooms.remove': ['UFFF.UF', () => ({ room, user: 'guest' })],
  'rooms.presence': ['UFFF.UF', () => ({ room })],
  'tasks.work': ['UFFFF..', () => ({ batch: 1, queue: 'empty' })],
  'tasks.stop': ['U......', () => ({})],
  'tasks.report': ['UFFFF..', () => ({ done: ['00000000000000000000'] })],
  'tasks.extend': ['UFFFF..', ({ task }) => ({ id: task, token: 'x' })],
  'tasks.progress': ['UFFFF..', ({ task }) => ({ id: task, token: 'x', progress: 1 })],
  'tasks.add': ['UFFFF..', () => ({ tasks: [{ payload: {} }] })],
  'tasks.get': ['UFFFF..', ({ task }) => ({ id: task })],
  'tasks.list': ['UFFFF..', () => ({})],
  'tasks.dead': ['UFFFF..', () => ({})],
  'tasks.retry': ['UFFFF..', ({ dead }) => ({ id: dead })],
  'tasks.drop': ['UFFFF..', ({ dead }) => ({ id: dead })],
  'tasks.bury': ['UFFFF..', ({ task }) => ({ id: task })],
  'tasks.queues': ['UFFFF..', () => ({})],
  'tasks.configure': ['UFFFF..', () => ({ queue: 'other', settings: { paused: true } })],
  'requests.call': ['UF.....', () => ({ type: 'echo', payload: 1 })],
  'requests.execute': ['UFFFF..', () => ({ type: 'own' })],
  'requests.stop': ['U......', () => ({ type: 'own' })],
  'requests.result': ['U......', () => ({ id: 1, result: 1 })],
  'requests.queue': ['UFFFF..', () => ({})],
  'pools.acquire': ['UFFFF..', () => ({ pool: 'p' })],
  'pools.release': ['UFFFFFF', ({ hold }) => ({ hold })],
  'pools.renew': ['UFFFFFF', ({ hold }) => ({ hold })],
  'pools.attach': ['UFFFFFF', ({ hold }) => ({ hold })],
  'pools.check': ['UFFFF..', () => ({ pool: 'p', resource: 'a', token: 1 })],
  'pools.add': ['UFFFF..', () => ({ pool: 'q', resources: ['a'] })],
  'pools.remove': ['UFFFF..', () => ({ pool: 'q', resources: ['a'] })],
  'pools.status': ['UFFFF..', () => ({ pool: 'p' })],
  'pools.list': ['UFFFF..', () => ({})],
  'pools.book': ['UFFFF..', () => ({ pool: 'p', from: long, to: longer })],
  'pools.cancel': ['UFFFFFF', ({ booking }) => ({ booking })],
  'pools.calendar': ['UFFFF..', () => ({ pool: 'p' })],
}

/** By route, as the documents have it. `:room` is the room, `:id` a task, of `dead` ones a dead letter, of `trace` a message. */
const httpRows: Readonly<Record<string, readonly [verdicts: string, body?: object | undefined, query?: string]>> = {
  'GET /healthz': ['.......'],
  'GET /livez': ['.......'],
  'GET /health': ['.......'],
  'GET /readyz': ['.......'],
  'GET /metrics': ['UFFFF..'],
  'GET /trace/{id}': ['UFFFF..', undefined, 'user=member'],
  'GET /trace/{id} room': ['UFFFF..', undefined, `room=${room}`],
  'GET /relay/drops': ['UFFFF..'],
  'POST /tickets': ['U......'],
  'GET /ws/history': ['U....U.'],
  'POST /messages/user': ['UFFFF..', { fromUser: 'a', toUser: 'b', message: 1 }],
  'POST /messages/system': ['UFFFF..', { toUser: 'b', message: 1 }],
  'POST /batch': ['UFFFF..', { operations: [{ room: { room, from: 'member', message: 1 } }] }],
  'POST /batch task': ['UFFFF..', { operations: [{ task: { payload: {} } }] }],
  'POST /rooms': ['UF...U.', { name: 'New' }],
  'GET /rooms': ['U....U.'],
  'GET /rooms/{room}': ['UFFF.UF'],
  'GET /rooms/{room}/presence': ['UFFF.UF'],
  'GET /rooms/{room}/members': ['UFFF.UF'],
  'POST /rooms/{room}/members': ['UFFF.UF', { user: 'guest' }],
  'DELETE /rooms/{room}/members/{user}': ['UFFF.UF'],
  'POST /rooms/{room}/messages': ['UFFF.UF', { message: 1 }],
  'GET /rooms/{room}/messages': ['UFFF.UF'],
  'GET /rooms/{room}/messages after': ['UFFF.UF', undefined, 'after=0'],
  'GET /task': ['UFFFF..', undefined, 'batchsize=1&queue=empty'],
  'POST /tasks': ['UFFFF..', { payload: {} }],
  'POST /report': ['UFFFF..', ['00000000000000000000']],
  'GET /tasks': ['UFFFF..'],
  'GET /tasks/dead': ['UFFFF..'],
  'GET /tasks/{id}': ['UFFFF..'],
  'GET /queues': ['UFFFF..'],
  'POST /tasks/{id}/extend': ['UFFFF..', { token: 'x' }],
  'POST /tasks/{id}/progress': ['UFFFF..', { token: 'x', progress: 1 }],
  'POST /tasks/{id}/bury': ['UFFFF..', {}],
  'POST /tasks/dead/{id}/retry': ['UFFFF..'],
  'POST /tasks/dead/retry': ['UFFFF..', undefined, 'queue=other'],
  'DELETE /tasks/dead/{id}': ['UFFFF..'],
  'DELETE /tasks/dead': ['UFFFF..', undefined, 'queue=other'],
  'PATCH /queues/{queue}': ['UFFFF..', { paused: true }],
  'DELETE /queues/{queue}/tasks': ['UFFFF..', undefined, 'confirm=other'],
  'POST /requests/{type}': ['UF.....', { payload: 1 }],
  'GET /requests': ['UFFFF..'],
}

/** Upgrades. */
const upgradeRows: Readonly<Record<string, string>> = {
  '/ws': 'U....U.',
  '/relay': 'UF.....',
  '/relay/c': 'UF.....',
  [`/rooms/${room}/ws`]: 'UFFF.UF',
}

const allow: Partial<Record<Kind, readonly string[]>> = { void: [], backend: ['*'], admin: ['*'] }

function tokenOf(kind: Kind): string {
  const exp = Math.floor(Date.now() / 1_000) + 600
  const sub = kind === 'backend' ? {} : { sub: kind }
  return token({ ...sub, exp, ...(allow[kind] === undefined ? {} : { nitka: allow[kind] }) })
}

function headersOf(kind: Kind): Record<string, string> {
  return kind === 'nobody' ? {} : { authorization: `Bearer ${tokenOf(kind)}` }
}

function verdictOf(code: string | undefined, where: string): Verdict {
  if (code === 'invalid' || code === 'internal') assert.fail(`${where} was ${code}, which says nothing of who may`)
  return code === 'unauthenticated' ? 'U' : code === 'forbidden' ? 'F' : code === 'not-found' ? 'N' : '.'
}

/** Not found is let through, unless the row says that it must look so. */
function compare(wanted: string, got: readonly Verdict[], where: string): void {
  const seen = got.map((verdict, i) => (verdict === 'N' && wanted[i] !== 'N' ? '.' : verdict)).join('')
  assert.equal(seen, wanted, `${where}, of ${kinds.join(' ')}`)
}

async function open(t: TestContext): Promise<Started & { readonly things: Things }> {
  const started = await start(t, {
    ...{ authMode: 'jwt', authSecret: secret, connectionsPerUser: 0, helloMs: 0, streamsPerUser: 0 },
  })
  const { rooms, direct, tasks, pools, bookings, requests } = started.server
  await rooms.create('member', { id: room, name: 'Tea' })
  await rooms.addMember('member', room, 'former')
  await rooms.send('former', room, 'while there')
  await rooms.removeMember('member', room, 'former')
  const { id: message } = await rooms.send('member', room, 'after')
  const { id: letter } = await direct.sendUser({ fromUser: 'member', toUser: 'x', message: 1 })
  const [added, dead] = await tasks.addAll(tasks.read([{ payload: {} }, { payload: {}, queue: 'graves' }]))
  await tasks.bury(dead?.id ?? '')
  await pools.add('p', [{ id: 'a' }, { id: 'b' }])
  const { hold } = await pools.acquire({ user: 'owner', owner: undefined }, { pool: 'p', ttl: 600_000 })
  const from = Date.parse('2030-01-01T00:00:00Z')
  const { id: booking } = await bookings.book('owner', { pool: 'p', from, to: from + 1_000 })
  requests.handle('echo', (payload) => payload)
  return { ...started, things: { message, letter, task: added?.id ?? '', dead: dead?.id ?? '', hold, booking } }
}

/** A trace of what one may not see looks like that of what does not exist. */
function codeOf(result: { readonly stored?: unknown }): string | undefined {
  return result.stored === null ? 'not-found' : undefined
}

/** Calls over rpc; resolves with the code of the refusal. */
type Call = (method: string, params: object) => Promise<string | undefined>

async function overWebSocket({ connect }: Started, kind: Kind): Promise<Call> {
  const client = await connect('/ws', { protocols: ['nitka.rpc.v1'], headers: headersOf(kind) })
  return (method, params) =>
    client.call(method, params).then(
      (result) => codeOf(result),
      (error) => error.code as string,
    )
}

async function tcpClient(t: TestContext, { server }: Started, kind: Kind): Promise<TcpClient> {
  const client = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  if (kind === 'nobody') return client
  const hello = { jsonrpc: '2.0', id: 0, method: 'session.hello', params: { token: tokenOf(kind) } }
  client.send(hello, '\n')
  await client.until(() => client.values.length === 1, 'the hello')
  return client
}

async function overTcp(t: TestContext, started: Started, kind: Kind): Promise<Call> {
  const client = await tcpClient(t, started, kind)
  let id = 0
  return async (method, params) => {
    const mine = ++id
    client.send({ jsonrpc: '2.0', id: mine, method, params }, '\n')
    const find = (): any => client.values.find((value) => value.id === mine)
    await client.until(() => find() !== undefined, `an answer to ${method}`)
    return find().error?.data.code ?? codeOf(find().result)
  }
}

for (const [way, connect] of [
  ['WebSocket', (_t: TestContext, started: Started, kind: Kind) => overWebSocket(started, kind)],
  ['TCP', overTcp],
] as const) {
  test(`over rpc on ${way} every call lets through whom its row says, and nobody else`, async (t) => {
    const covered = new Set(Object.keys(rpcRows).map((row) => row.split(' ')[0]))
    assert.deepEqual([...covered].sort(), Object.keys(calls).sort(), 'a row a call')
    const started = await open(t)
    const users = await Promise.all(kinds.map(async (kind) => ({ kind, call: await connect(t, started, kind) })))
    for (const [row, [wanted, params]] of Object.entries(rpcRows)) {
      const method = row.split(' ')[0] ?? ''
      const got: Verdict[] = []
      for (const { kind, call } of users) {
        const code = await call(method, params?.(started.things) ?? {})
        got.push(verdictOf(code, `${row} for ${kind}`))
      }
      compare(wanted, got, row)
    }
  })
}

test('over HTTP every route lets through whom its row says, and nobody else', async (t) => {
  const started = await open(t)
  const { server, things } = started
  const rows = new Map(Object.entries(httpRows))
  // What is asked of pools is one call everywhere.
  for (const name of Object.keys(poolCalls)) {
    const [wanted = '', params] = rpcRows[name] ?? []
    rows.set(`POST /pools/${name.slice(6)}`, [wanted, params?.(things)])
  }
  const documents = await (await fetch(`${server.url}/openapi.json`)).json()
  const routes = Object.entries((documents as { paths: Record<string, object> }).paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const covered = new Set([...rows.keys()].map((row) => row.split(' ').slice(0, 2).join(' ')))
  assert.deepEqual([...covered].sort(), routes.sort(), 'a row a route')
  for (const [row, [wanted, body, query = '']] of rows) {
    const [method = '', pattern = ''] = row.split(' ')
    const id = pattern.startsWith('/trace') ? things.message : pattern.includes('/dead') ? things.dead : things.task
    const values: Record<string, string> = { room, id, user: 'guest', queue: 'other', type: 'echo' }
    const path = pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '')
    const got: Verdict[] = []
    for (const kind of kinds) {
      const json = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await fetch(`${server.url}${path}?${query}`, {
        method,
        headers: { ...headersOf(kind), ...json },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (response.status < 400) {
        await response.body?.cancel()
        got.push('.')
      } else {
        const { code } = (await response.json()) as { code: string }
        got.push(verdictOf(code, `${row} for ${kind}`))
      }
    }
    compare(wanted, got, row)
  }
})

test('each path of a WebSocket lets through whom its row says, and a plain client speaks for itself alone', async (t) => {
  const started = await open(t)
  const { connect } = started
  for (const [path, wanted] of Object.entries(upgradeRows)) {
    const got: Verdict[] = []
    for (const kind of kinds) {
      const answer = await connect(path, { headers: headersOf(kind) }).then(
        (client) => {
          client.terminate()
          return 101
        },
        (error: Error) => Number(error.message.slice(0, 3)),
      )
      got.push(answer === 101 ? '.' : answer === 401 ? 'U' : answer === 403 ? 'F' : 'N')
    }
    compare(wanted, got, path)
  }
  const plain = await connect('/ws', { headers: headersOf('void') })
  plain.send({ fromUser: 'void', toUser: 'x', message: 1 })
  const stranger = await connect('/ws', { headers: headersOf('stranger') })
  stranger.send({ fromUser: 'member', toUser: 'x', message: 1 })
  for (const client of [plain, stranger])
    assert.match(String((await client.take(1))[0]), /^error: .*(not permitted|user)/)
})

test('plain requests on the TCP port let through whom the row of the call says', async (t) => {
  const started = await open(t)
  const users = await Promise.all(kinds.map(async (kind) => ({ kind, client: await tcpClient(t, started, kind) })))
  const rows: [type: string, row: string, params?: object | undefined][] = [
    ...Object.keys(poolCalls).map((name): [string, string, object | undefined] => [
      name.replace('pools.', 'pool.'),
      name,
      rpcRows[name]?.[1]?.(started.things),
    ]),
    ['srvQueuePrint', 'requests.queue'],
    ['echo', 'requests.call', {}],
  ]
  let index = 0
  for (const [type, row, params] of rows) {
    const got: Verdict[] = []
    for (const { client } of users) {
      const { err = '' } = await client.call(type, ++index, params)
      got.push(/session\.hello/.test(err) ? 'U' : /not permitted|not yours|another/.test(err) ? 'F' : '.')
    }
    compare(rpcRows[row]?.[0] ?? '', got, type)
  }
})

// Nitka inside a program that imports `nitka` and `nitka/testing`, and nothing deeper.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { test } from 'node:test'
import { type Action, type Authorize, type Executor, type Lease, NitkaError, realWorld, type ServerTools } from 'nitka'
import { SimulatedClock, temporaryServer } from 'nitka/testing'
import { hostServer, listening } from '../testing/attached.ts'
import { eventually } from '../testing/eventually.ts'
import { ask, connect } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

const protocols = ['nitka.rpc.v1']

test('a temporary server listens, has no TCP port, and leaves nothing behind', async () => {
  let folder = ''
  let refused = ''
  const tools: ServerTools = { authorize: () => true }
  {
    await using app = await temporaryServer({ requestMs: 1_000 }, tools)
    assert.match(app.server.url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.equal(app.server.socketPort, undefined)
    const { body } = await ask(app.server.url, 'GET', '/readyz')
    assert.equal(body.status, 'ready')
    folder = app.data
    assert.equal(existsSync(folder), true)
  }
  assert.equal(existsSync(folder), false)
  const openEngine: ServerTools['openEngine'] = async ({ data }) => {
    refused = data
    throw new NitkaError('unavailable', 'no disk')
  }
  await assert.rejects(temporaryServer({}, { openEngine }), { code: 'unavailable' })
  assert.deepEqual([existsSync(refused), refused.length > 0], [false, true])
  await assert.rejects(temporaryServer({ port: 0 }, { attach: { server: createHttpServer() } }), NitkaError)
})

test('executors, messages and relay of the program, over whatever its clients use', async (t) => {
  const host = hostServer(t)
  await listening(host)
  const { server, close } = await temporaryServer({}, { attach: { server: host, path: '/live' } })
  t.after(close)
  const double: Executor = (payload, { user }) => ({ user, twice: Number(payload) * 2 })
  const stop = server.requests.handle('double', double, { concurrency: 2 })
  assert.deepEqual(await server.requests.call('double', 2, 'app'), { user: 'app', twice: 4 })
  const answer = await ask(server.url, 'POST', '/requests/double?user=ann', { payload: 3 })
  assert.deepEqual(answer.body.result, { user: 'ann', twice: 6 })
  stop()
  await assert.rejects(server.requests.call('double', 2), { code: 'not-found' })

  const relay = await connect(t, server.url, '/relay/prices')
  server.relay.send('prices', '{"eur":1}')
  server.relay.send('prices', Buffer.from([1, 2]))
  assert.deepEqual(await relay.take(2), ['{"eur":1}', Buffer.from([1, 2])])
  assert.throws(() => server.relay.send('no such name', 'x'), { code: 'invalid' })
})

test('whoever is not permitted is refused on every transport, and is told what', async (t) => {
  const asked: [string, Action, string][] = []
  const authorize: Authorize = async (user, action, target) => {
    asked.push([user, action, target])
    if (target === 'broken') throw new Error('the directory of users is down')
    return user === 'boss'
  }
  const { server, close } = await temporaryServer({ socketHost: '127.0.0.1', socketPort: 0 }, { authorize })
  t.after(close)
  server.requests.handle('report', () => 'done')

  // HTTP.
  assert.equal((await ask(server.url, 'POST', '/requests/report?user=ann', { payload: 1 })).status, 403)
  assert.equal((await ask(server.url, 'POST', '/requests/report?user=boss', { payload: 1 })).status, 200)
  // A stream, and an upgrade.
  assert.equal((await fetch(`${server.url}/task?user=ann&batchsize=1`)).status, 403)
  await assert.rejects(connect(t, server.url, '/relay/secret?user=ann'), /^Error: 403 .*relay\.join/)
  await connect(t, server.url, '/relay/secret?user=boss')
  // Plain and rpc on a WebSocket.
  const plain = await connect(t, server.url, '/ws?user=ann')
  plain.send({ fromUser: 'ann', toUser: 'boss', message: 'raise?' })
  assert.match(String((await plain.take(1))[0]), /^error: direct\.send is not permitted/)
  const rpc = await connect(t, server.url, '/ws?user=ann', { protocols })
  await assert.rejects(rpc.call('direct.send', { to: 'boss', message: 'raise?' }), { code: 'forbidden' })
  await assert.rejects(rpc.call('direct.send', { to: 'broken', message: 'raise?' }), { code: 'internal' })
  // TCP.
  const tcp = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  assert.match((await tcp.call('report', 1)).err, /not permitted/)

  assert.deepEqual(asked[0], ['ann', 'requests.call', 'report'])
  const actions = new Set(asked.map(([, action]) => action))
  assert.deepEqual([...actions].sort(), ['direct.send', 'relay.join', 'requests.call', 'tasks.work'])
  assert.equal((await server.direct.history('boss', {})).entries.length, 0, 'nothing was stored')
})

test('by a simulated clock a lease ends and a task is a dead letter when the test says so', async (t) => {
  const clock = new SimulatedClock(Date.parse('2030-01-01T00:00:00Z'))
  const { server, close } = await temporaryServer({}, { world: { ...realWorld(), clock } })
  t.after(close)
  const dead: string[] = []
  server.on('dead-letter', ({ task, how }) => dead.push(`${task} ${how}`))
  const leases: Lease[] = []
  const nothing = (): void => undefined
  const listener = { batch: (batch: readonly Lease[]) => void leases.push(...batch), lost: nothing, silent: nothing }
  server.tasks.work({ id: 'w', queue: 'default', batch: 1 }, listener)
  const [added] = await server.tasks.add({ payload: { n: 1 }, lease: 60_000, maxAttempts: 1 })
  // The disk takes its own time; the clock moves when the test says so.
  await eventually(async () => {
    await clock.pass(0)
    return leases.length === 1
  }, 'the lease')
  assert.equal(leases[0]?.deadline, Date.parse('2030-01-01T00:01:00Z'))
  await clock.pass(59_000)
  assert.equal((await server.tasks.get(added!.id)).state, 'leased')
  await clock.pass(1_000)
  await eventually(async () => {
    await clock.pass(0)
    return dead.length === 1
  }, 'the dead letter')
  assert.deepEqual(dead, [`${added?.id} expired`])
})

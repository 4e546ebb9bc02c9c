// What a connection asked for is nobody's when it is gone before `authorize` has answered.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { eventually } from '../testing/eventually.ts'
import { start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

async function begin(t: TestContext) {
  const asked: (() => void)[] = []
  const authorize = (): Promise<boolean> => new Promise((resolve) => asked.push(() => resolve(true)))
  const { server, connect } = await start(t, {}, { authorize })
  const sockets = (): Promise<number> =>
    new Promise((resolve) => server.http.server.getConnections((_error, count) => resolve(count)))
  const begun: unknown[] = []
  server.requests.handle('note', (payload) => void begun.push(payload))
  await server.pools.add('seats', [{ id: 'a' }])
  /** What was asked is permitted, one after the other, when nobody is there any more. */
  const permitLate = async (count: number, leave: () => void): Promise<void> => {
    await eventually(() => asked.length === count, 'the questions')
    leave()
    await eventually(async () => server.registry.sessions.size === 0 && (await sockets()) === 0, 'nobody to be there')
    for (const permit of asked) permit()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const free = async (): Promise<number> => (await server.pools.list())[0]?.free ?? -1
  return { server, connect, begun, free, permitLate }
}

test('over rpc a hold or a request of a connection that went is not begun', async (t) => {
  const { connect, begun, free, permitLate } = await begin(t)
  const client = await connect('/ws?user=anna', { protocols: ['nitka.rpc.v1'] })
  client.call('pools.acquire', { pool: 'seats', ttl: 3_600_000 }).catch(() => undefined)
  client.call('requests.call', { type: 'note', payload: 1 }).catch(() => undefined)
  await permitLate(2, () => client.terminate())
  assert.deepEqual([await free(), begun], [1, []])
})

test('in the plain dialect a hold or a request of a connection that went is not begun', async (t) => {
  const { server, begun, free, permitLate } = await begin(t)
  const client = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  client.ask('pool.acquire', 1, { pool: 'seats', ttl: 3_600_000 })
  client.ask('note', 2, 1)
  await permitLate(2, () => client.socket.resetAndDestroy())
  assert.deepEqual([await free(), begun], [1, []])
})

test('over HTTP a request of a connection that went is not begun', async (t) => {
  const { server, begun, permitLate } = await begin(t)
  const aborted = new AbortController()
  const body = JSON.stringify({ payload: 1 })
  const asked = fetch(`${server.url}/requests/note?user=anna`, { method: 'POST', body, signal: aborted.signal })
  const refused = assert.rejects(asked)
  await permitLate(1, () => aborted.abort())
  await refused
  assert.deepEqual(begun, [])
})

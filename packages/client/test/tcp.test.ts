// The client over TCP, and both ways side by side.

import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { eventually } from '../../server/testing/eventually.ts'
import { start } from '../../server/testing/server.ts'
import { connect as connectWeb } from '../src/index.ts'
import { connect, NitkaError } from '../src/tcp.ts'

interface App {
  requests: { add: { payload: { a: number; b: number }; result: number } }
  pools: { proxies: { address: string } }
}

async function both(t: TestContext) {
  const started = await start(t)
  const tcp = connect<App>(`tcp://127.0.0.1:${started.server.socketPort}`)
  const web = connectWeb<App>(`${started.server.url}?user=anna`)
  t.after(() => tcp.close())
  t.after(() => web.close())
  return { ...started, tcp, web }
}

test('requests asked over TCP and over WebSocket are answered by one executor, each with its own answer', async (t) => {
  const { tcp, web } = await both(t)
  web.requests.handle('add', ({ a, b }) => a + b)
  await eventually(async () => (await tcp.requests.queue()).some(({ type }) => type === 'add'), 'the type is known')
  const sums = await Promise.all(
    Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? tcp : web).requests.call('add', { a: i, b: 1 })),
  )
  assert.deepEqual(
    sums,
    Array.from({ length: 100 }, (_, i) => i + 1),
  )
})

test('a hold ends with its block, and with its client', async (t) => {
  const { tcp, web } = await both(t)
  assert.equal(await tcp.pools.add('proxies', [{ id: 'p', data: { address: '10.0.0.1' } }]), 1)
  {
    await using hold = await tcp.pools.acquire('proxies')
    assert.deepEqual(hold.resources, [{ id: 'p', data: { address: '10.0.0.1' } }])
    assert.ok(hold.held)
    assert.ok(await hold.check())
    const refused = await web.pools.acquire('proxies').catch((error: unknown) => error)
    assert.ok(refused instanceof NitkaError)
    assert.equal(refused.code, 'busy')
  }
  const first = await tcp.pools.acquire('proxies')
  const waiting = web.pools.acquire('proxies', { wait: 10_000 })
  tcp.close()
  const second = await waiting
  assert.ok(second.token > first.token)
  assert.equal(first.held, false)
  assert.ok(first.signal.aborted)
})

test('who stops waiting for a resource does not keep it', async (t) => {
  const { tcp, web } = await both(t)
  await tcp.pools.add('proxies', ['p'])
  const hold = await tcp.pools.acquire('proxies')
  const abort = new AbortController()
  const waiting = web.pools.acquire('proxies', { wait: 60_000, signal: abort.signal })
  await eventually(async () => (await tcp.pools.status('proxies')).waiters === 1, 'somebody waits')
  abort.abort()
  await assert.rejects(waiting, { code: 'aborted' })
  await hold.release()
  await eventually(async () => (await tcp.pools.status('proxies')).free === 1, 'it is free again')
})

test('a call that the server cannot read ends with its error, once, and disturbs no other', async (t) => {
  const { server } = await start(t)
  const tcp = connect(`tcp://127.0.0.1:${server.socketPort}`, { token: 'anna' })
  t.after(() => tcp.close())
  await tcp.rooms.create({ name: 'Tea', id: 'tea', open: true })
  const { session } = tcp.server ?? {}
  server.requests.handle('slow', () => new Promise((resolve) => setImmediate(() => resolve('done'))))
  const other = tcp.requests.call('slow')
  let deep: unknown = 'deep'
  for (let i = 0; i < 40; i++) deep = [deep]
  const odd = [deep, JSON.parse('{"__proto__":1}')]
  for (const message of odd) await assert.rejects(tcp.rooms.send('tea', message), { code: 'invalid' })
  assert.equal(await other, 'done')
  await tcp.rooms.send('tea', 'fine')
  assert.equal(tcp.server?.session, session)
})

test('a call that is larger than the server takes is refused before it is sent, also one that waited', async (t) => {
  const { server } = await start(t, { socketBytes: 4_096 })
  const tcp = connect(`tcp://127.0.0.1:${server.socketPort}`, { token: 'anna' })
  t.after(() => tcp.close())
  const waited = tcp.rooms.send('tea', 'x'.repeat(4_096))
  await assert.rejects(waited, { code: 'too-large' })
  await tcp.flush()
  const { session } = tcp.server ?? {}
  await assert.rejects(tcp.rooms.send('tea', 'x'.repeat(4_096)), { code: 'too-large' })
  await tcp.rooms.create({ name: 'Tea', id: 'tea', open: true })
  await tcp.rooms.send('tea', 'x'.repeat(3_900))
  assert.equal(tcp.server?.session, session)
})

test('an address that is none is refused at once', () => {
  assert.throws(() => connect('http://127.0.0.1'), { code: 'invalid' })
  assert.throws(() => connect('tcp://'), { code: 'invalid' })
  assert.throws(() => connectWeb('ftp://example.org'), { code: 'invalid' })
  assert.throws(() => connectWeb('nowhere'), { code: 'invalid' })
})

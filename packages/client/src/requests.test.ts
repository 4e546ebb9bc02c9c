import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { codeOf, start, watched } from '../testing/client.ts'
import { type FakeWire, Refusal } from '../testing/fake-wire.ts'
import { settled } from '../testing/world.ts'

async function live(t: TestContext) {
  const started = start(t, { pingMs: 0 })
  for (const method of ['requests.execute', 'requests.stop']) started.server.on(method, () => ({}))
  started.server.on('requests.result', () => ({ heard: true }))
  return { ...started, wire: await started.live() }
}

const ask = (wire: FakeWire, id: number, payload: unknown) =>
  wire.notify('requests.execute', { id, type: 'sum', payload, user: 'bert' })
const results = (wire: FakeWire) => wire.calls('requests.result').map(({ params }) => params)

test('a request is answered with what the handler returns, and nothing is null', async (t) => {
  const { nitka, wire } = await live(t)
  const users: string[] = []
  nitka.requests.handle('sum', (payload: any, { user }) => {
    users.push(user)
    return payload === undefined ? undefined : payload.a + payload.b
  })
  assert.deepEqual(wire.calls('requests.execute')[0]?.params, { type: 'sum', concurrency: 1 })
  ask(wire, 1, { a: 1, b: 2 })
  ask(wire, 2, undefined)
  await settled()
  assert.deepEqual(results(wire), [
    { id: 1, result: 3 },
    { id: 2, result: null },
  ])
  assert.deepEqual(users, ['bert', 'bert'])
})

test('what a handler throws is the text that the asker gets', async (t) => {
  const { nitka, wire } = await live(t)
  nitka.requests.handle('sum', (payload) => {
    throw payload
  })
  nitka.requests.handle('later', async () => {
    throw new Error('no ink')
  })
  ask(wire, 1, 'text')
  ask(wire, 2, '')
  wire.notify('requests.execute', { id: 3, type: 'later', user: '' })
  wire.notify('requests.execute', { id: 4, type: 'none', user: '' })
  await settled()
  assert.deepEqual(
    results(wire)
      .map(({ id, error }) => [id, error])
      .sort((a, b) => a[0] - b[0]),
    [
      [1, 'text'],
      [2, 'failed without a reason'],
      [3, 'no ink'],
      [4, 'nobody answers none here any more'],
    ],
  )
})

test('an answer that is too large, or no JSON, is an error that the asker hears', async (t) => {
  const { nitka, wire, server } = await live(t)
  const answers = ['x'.repeat(1_000_001), 1n, 'y'.repeat(70_000)]
  nitka.requests.handle('sum', (payload) => answers[payload as number])
  server.on('requests.result', ({ result }) => {
    if (result !== undefined) throw new Refusal('too-large', 'at most 65536 bytes')
    return { heard: true }
  })
  for (const i of [0, 1, 2]) ask(wire, i + 1, i)
  await settled()
  const errors = results(wire).filter(({ error }) => error !== undefined)
  assert.deepEqual(
    errors.map(({ id }) => id),
    [1, 2, 3],
  )
  assert.match(errors[2].error, /at most 65536 bytes/)
})

test('a request that nobody waits for any more fires the signal of its handler', async (t) => {
  const { nitka, wire } = await live(t)
  const signals: AbortSignal[] = []
  nitka.requests.handle('sum', (_, { signal }) => {
    signals.push(signal)
    return new Promise(() => undefined)
  })
  ask(wire, 1, 1)
  wire.notify('requests.cancel', { id: 2, type: 'sum' })
  assert.equal(signals[0]?.aborted, false)
  wire.notify('requests.cancel', { id: 1, type: 'sum' })
  assert.equal(signals[0]?.aborted, true)
  assert.equal(signals[0]?.reason.code, 'timeout')
})

test('an answer is not sent on another connection, which has requests of its own with the same numbers', async (t) => {
  const { nitka, wire, reconnect } = await live(t)
  const running: { resolve: (value: string) => void; signal: AbortSignal }[] = []
  nitka.requests.handle('sum', (_, { signal }) => new Promise((resolve) => running.push({ resolve, signal })))
  ask(wire, 1, 'old')
  const next = await reconnect()
  assert.equal(next.calls('requests.execute').length, 1)
  assert.equal(running[0]?.signal.aborted, true)
  ask(next, 1, 'new')
  running[0]?.resolve('old')
  await settled()
  assert.deepEqual(results(next), [])
  running[1]?.resolve('new')
  await settled()
  assert.deepEqual(results(next), [{ id: 1, result: 'new' }])
})

test('an answer that is ready before the next connection has greeted is not sent there', async (t) => {
  const { nitka, wire, server, world, pass } = await live(t)
  let end: (value: string) => void = () => undefined
  nitka.requests.handle('sum', () => new Promise((resolve) => (end = resolve)))
  ask(wire, 1, 'old')
  world.usual = 0
  wire.end()
  await pass(0)
  server.wire.open()
  await settled()
  end('old')
  await settled()
  assert.deepEqual(server.wire.methods, ['session.hello'])
})

test('one that stops to answer is registered no more, and can begin again', async (t) => {
  const { nitka, wire, reconnect } = await live(t)
  const stop = nitka.requests.handle('sum', () => 1)
  assert.throws(() => nitka.requests.handle('sum', () => 2), { code: 'conflict' })
  stop()
  stop()
  assert.equal(wire.calls('requests.stop').length, 1)
  const next = await reconnect()
  assert.equal(next.calls('requests.execute').length, 0)
  nitka.requests.handle('sum', () => 2, { concurrency: 5 })
  assert.deepEqual(next.calls('requests.execute')[0]?.params, { type: 'sum', concurrency: 5 })
  nitka.close()
  assert.throws(() => nitka.requests.handle('other', () => 2), { code: 'closed' })
})

test('a type that this client may not answer is told, and can be tried anew', async (t) => {
  const { nitka, server, errors } = await live(t)
  server.on('requests.execute', () => {
    throw new Refusal('forbidden')
  })
  const refused: string[] = []
  nitka.requests.handle('a', () => 1, { onRefused: ({ code }) => refused.push(code) })
  nitka.requests.handle('b', () => 1)
  await settled()
  assert.deepEqual(refused, ['forbidden'])
  assert.equal(errors.length, 1)
  nitka.requests.handle('a', () => 1)
})

test('a type that is refused for now is registered later, unless its handler was taken off', async (t) => {
  const { nitka, server, pass, wire } = await live(t)
  server.on('requests.execute', () => {
    throw new Refusal('unavailable')
  })
  nitka.requests.handle('stays', () => 1)
  const stop = nitka.requests.handle('goes', () => 1)
  await settled()
  stop()
  server.on('requests.execute', () => ({}))
  await pass(1_000)
  assert.deepEqual(
    wire.calls('requests.execute').map(({ params }) => params.type),
    ['stays', 'goes', 'stays'],
  )
})

test('a request is repeated after a lost connection only when it is idempotent', async (t) => {
  const { nitka, reconnect, wire } = await live(t)
  const once = watched(nitka.requests.call('sum', { a: 1 }))
  const twice = nitka.requests.call('sum', { a: 2 }, { idempotent: true })
  assert.equal(wire.calls('requests.call').length, 2)
  const next = await reconnect()
  assert.equal(once.error.code, 'lost')
  assert.deepEqual(
    next.calls('requests.call').map(({ params }) => params.payload),
    [{ a: 2 }],
  )
  next.answer('requests.call', { result: 5 })
  assert.equal(await twice, 5)
})

test('a request is given up after 35 s, or as long as the application says; errors of the executor are its own', async (t) => {
  const { nitka, wire, pass } = await live(t)
  const usual = watched(nitka.requests.call('sum'))
  const short = watched(nitka.requests.call('sum', 1, { timeoutMs: 10 }))
  assert.deepEqual(wire.calls('requests.call')[0]?.params, { type: 'sum' })
  await pass(10)
  assert.equal(short.error.code, 'timeout')
  await pass(34_989)
  assert.equal(usual.done, false)
  await pass(1)
  assert.equal(usual.error.code, 'timeout')
  const failed = nitka.requests.call('sum')
  wire.result(-1, {})
  const { id } = wire.calls('requests.call').at(-1) as { id: number }
  wire.say({ jsonrpc: '2.0', id, error: { code: -32022, message: 'no ink', data: { code: 'failed', retry: 'never' } } })
  const error: any = await failed.catch((thrown: unknown) => thrown)
  assert.deepEqual([error.code, error.message], ['failed', 'no ink'])
  nitka.close()
  assert.equal(await codeOf(nitka.requests.call('sum')), 'closed')
})

test('a type that is refused for now and handled anew meanwhile is registered once', async (t) => {
  const { nitka, server, pass, wire, errors } = await live(t)
  server.on('requests.execute', () => {
    throw new Refusal('unavailable')
  })
  const stop = nitka.requests.handle('sum', () => 1)
  await settled()
  stop()
  server.on('requests.execute', () => ({}))
  nitka.requests.handle('sum', () => 2)
  await pass(1_000)
  assert.deepEqual([wire.calls('requests.execute').length, errors], [2, []])
})

test('who answers is told at once that nobody waits any more when the connection is lost', async (t) => {
  const { nitka, wire } = await live(t)
  let signal: AbortSignal | undefined
  nitka.requests.handle('sum', (_payload, context) => {
    signal = context.signal
    return new Promise(() => undefined)
  })
  ask(wire, 1, {})
  wire.end()
  assert.equal(signal?.reason?.code, 'lost')
})

test('what is being answered here is answered before a server that stops is left', async (t) => {
  const { nitka, wire, pass } = await live(t)
  let finish: ((value: number) => void) | undefined
  nitka.requests.handle('sum', () => new Promise<number>((resolve) => (finish = resolve)))
  ask(wire, 1, {})
  wire.notify('session.drain', { after: 0 })
  await pass(1_000)
  assert.equal(nitka.state, 'live')
  finish?.(3)
  await settled()
  assert.deepEqual(results(wire), [{ id: 1, result: 3 }])
  assert.equal(nitka.state, 'waiting')
})

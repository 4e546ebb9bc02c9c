import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Config } from '../src/config.ts'
import type { ServerTools } from '../src/server.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

async function begin(t: TestContext, wishes: Partial<Config> = {}, tools: ServerTools = {}) {
  const started = await start(t, wishes, tools)
  const open = () => TcpClient.open(t, { port: started.server.socketPort ?? 0, host: '127.0.0.1' })
  return { ...started, open, client: await open() }
}

/** Waits until the assertion holds. */
function soon(check: () => unknown): Promise<void> {
  let last: unknown
  const holds = async (): Promise<boolean> => {
    try {
      await check()
      return true
    } catch (error) {
      last = error
      return false
    }
  }
  return eventually(holds, 'an assertion').catch(() => Promise.reject(last))
}

/** An executor that the test lets go on, request by request. */
function gate() {
  const begun: unknown[] = []
  const waiting: ((result: unknown) => void)[] = []
  return {
    begun,
    executor: (payload: unknown): Promise<unknown> => {
      begun.push(payload)
      return new Promise((resolve) => waiting.push(resolve))
    },
    next: (result: unknown) => waiting.shift()?.(result),
  }
}

test('answers come to whoever asked, matched by type and index, ended as they were asked', async (t) => {
  const { server, client, open } = await begin(t)
  const other = await open()
  server.requests.handle('echo', (payload, { user, type }) => ({ payload, user, type }))
  server.requests.handle('later', async (payload) => {
    await new Promise((resolve) => setImmediate(resolve))
    return payload
  })
  for (let i = 0; i < 50; i++) client.ask(i % 2 === 0 ? 'echo' : 'later', i, { i })
  other.ask('echo', 7, 'mine')
  for (let i = 0; i < 50; i++) {
    const result = await client.answer(i % 2 === 0 ? 'echo' : 'later', i)
    assert.deepEqual(result, i % 2 === 0 ? { payload: { i }, user: '', type: 'echo' } : { i })
  }
  assert.equal((await other.answer('echo', 7)).payload, 'mine')
  assert.equal(client.values.length, 50)
  client.send({ type: 'echo', queryIndex: 'text' }, '\n')
  await client.answer('echo', 'text')
  assert.deepEqual([client.endings.at(0), client.endings.at(-1)], ['🦀', '\n'])
  const raw = JSON.stringify({ type: 'echo', queryIndex: 99, payload: 'a 🦀 and ünïcode' })
  for (const byte of Buffer.from(`${raw}🦀`)) client.socket.write(Buffer.from([byte]))
  assert.equal((await client.answer('echo', 99)).payload, 'a 🦀 and ünïcode')
  assert.equal((await client.call('ping', 100, 5)).pong, 5)
  assert.equal(typeof (await client.call('ping', 101)).pong, 'number')
})

test('a type works on one request at a time in their order, types side by side, or on as many as it says', async (t) => {
  const { server, client, open } = await begin(t)
  const one = gate()
  const two = gate()
  server.requests.handle('one', one.executor)
  server.requests.handle('two', two.executor, { concurrency: 2 })
  const other = await open()
  for (const i of [1, 2, 3]) {
    client.ask('one', i, `a${i}`)
    client.ask('two', i, i)
    await client.call('ping', 50 + i)
    other.ask('one', i, `b${i}`)
    await other.call('ping', 50 + i)
  }
  assert.deepEqual([one.begun, two.begun], [['a1'], [1, 2]])
  const queue = (await client.call('srvQueuePrint', 60)).queue
  assert.deepEqual(
    queue.map(({ type, waiting, running }: any) => [type, waiting, running]),
    [
      ['one', 5, 1],
      ['two', 1, 2],
    ],
  )
  assert.ok(queue[0].waitingMs.length === 5 && queue[0].runningMs[0] >= 0)
  two.next('x')
  assert.equal(await client.answer('two', 1), 'x')
  for (const expected of ['b1', 'a2', 'b2', 'a3', 'b3']) {
    one.next('done')
    await soon(() => assert.equal(one.begun.at(-1), expected))
  }
})

test('what is wrong is answered with what it is, and only what is no JSON ends the connection', async (t) => {
  const { server, client } = await begin(t, { requestMs: 300 })
  server.requests.handle('bad', () => {
    throw new Error('sold out')
  })
  server.requests.handle('worse', async () => Promise.reject(new Error('sold out later')))
  server.requests.handle('never', () => new Promise(() => undefined))
  server.requests.handle('cyclic', () => {
    const one: Record<string, unknown> = {}
    one.one = one
    return one
  })
  server.requests.handle('void', () => undefined)
  server.requests.handle('large', () => 'x'.repeat(2 ** 20 + 1))
  const ask = (value: unknown) => client.send(value)
  for (const value of [7, [], 'x', null, { queryIndex: 3 }, { type: '', queryIndex: 3 }, { type: 5, queryIndex: 3 }]) {
    ask(JSON.stringify(value))
  }
  ask({ type: 'bad' })
  ask({ type: 'bad', queryIndex: {} })
  await client.until(() => client.values.length === 9, 'nine errors')
  for (const value of client.values) assert.equal(value.type, 'errMsgFromClient')
  assert.deepEqual(
    client.values.map(({ queryIndex }) => queryIndex),
    [0, 0, 0, 0, 3, 3, 3, 0, 0],
  )
  assert.deepEqual(await client.call('bad', 1), { err: 'sold out' })
  assert.deepEqual(await client.call('worse', 1), { err: 'sold out later' })
  assert.match((await client.call('none', 1)).err, /no executor for none/)
  assert.match((await client.call('never', 1)).err, /not answered within 300 ms/)
  assert.match((await client.call('cyclic', 1)).err, /no JSON/)
  assert.match((await client.call('large', 1)).err, /larger/)
  assert.equal(await client.call('void', 1), null)
  assert.match((await client.call('__proto__', 1)).err, /no executor/)
  ask('this is no JSON')
  await client.until(() => client.closed, 'the end')
  assert.match(client.values.at(-1).resultJob.err, /not JSON/)
})

test('whatever speaks another protocol is told so and cut off, and nothing of it is done', async (t) => {
  const { server, open } = await begin(t)
  let calls = 0
  server.requests.handle('count', () => ++calls)
  const body = '{"type":"count","queryIndex":1}\n'
  const http = await open()
  http.socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await http.until(() => http.closed, 'the end')
  for (const bytes of [
    Buffer.from([0, 1, 2, 10]),
    Buffer.from(`${'{"a":'.repeat(40)}\n`),
    Buffer.from('{"__proto__":1}\n'),
    Buffer.alloc(100, 10),
  ]) {
    const client = await open()
    client.socket.end(bytes)
    await client.until(() => client.closed, 'the end')
  }
  assert.equal(calls, 0)
})

test('a value over the limit is refused, and one that is never finished is not waited for', async (t) => {
  const { server, open } = await begin(t, { socketBytes: 2_000, helloMs: 1_000 })
  server.requests.handle('size', (payload) => String(payload).length)
  const fits = await open()
  const frame = (length: number) => JSON.stringify({ type: 'size', queryIndex: 1, payload: 'x'.repeat(length) })
  fits.send(frame(2_000 - frame(0).length))
  assert.equal(await fits.answer('size', 1), 2_000 - frame(0).length)
  const over = frame(2_001 - frame(0).length)
  const ping = '{"type":"ping","queryIndex":1}🦀'
  for (const [text, ending] of [
    [`${over}\n`, '\n'],
    [`${over}🦀`, '🦀'],
    ['x'.repeat(9_000), '\n'],
    [`${ping}${'x'.repeat(9_000)}`, '🦀'],
  ] as const) {
    const client = await open()
    client.socket.write(text)
    await client.until(() => client.closed, 'the end')
    assert.match(client.values.at(-1).resultJob.err, /at most 2000 bytes/)
    assert.equal(client.endings.at(-1), ending, 'the refusal is ended as the value is, or as the last one was')
  }
  const slow = await open()
  slow.socket.write('{"type":')
  await slow.until(() => slow.closed, 'the end')
  assert.match(slow.values[0].resultJob.err, /not ended in time/)
  assert.equal((await fits.call('ping', 2)).pong, 1, 'an idle connection stays')
})

test('who leaves is not waited for: what waits is dropped, what runs runs to its end', async (t) => {
  const { server, open } = await begin(t)
  const one = gate()
  server.requests.handle('one', one.executor)
  for (const leave of [(client: TcpClient) => client.socket.destroy(), (client: TcpClient) => client.socket.end()]) {
    one.begun.length = 0
    const gone = await open()
    for (const i of [1, 2, 3]) gone.ask('one', i, `gone ${i}`)
    await soon(() => assert.equal(server.requests.waiting, 2))
    const stays = await open()
    stays.ask('one', 1, 'stays')
    await soon(() => assert.equal(server.requests.waiting, 3))
    leave(gone)
    await soon(() => assert.equal(server.requests.waiting, 1))
    one.next('first')
    await soon(() => assert.deepEqual(one.begun, ['gone 1', 'stays']))
    one.next('second')
    assert.equal(await stays.answer('one', 1), 'second')
  }
})

test('a client that has said everything still gets the answer to what runs', async (t) => {
  const { server, client } = await begin(t)
  const one = gate()
  server.requests.handle('one', one.executor)
  client.ask('one', 1)
  client.socket.end()
  await soon(() => assert.equal(one.begun.length, 1))
  one.next('late')
  assert.equal(await client.answer('one', 1), 'late')
  await client.until(() => client.closed, 'the end')
})

test('a full queue answers at once, and a client that does not read is not read from', async (t) => {
  const { server, client, open } = await begin(t, { requestsWaiting: 3, socketUnanswered: 0 })
  const one = gate()
  server.requests.handle('one', one.executor)
  for (let i = 0; i < 6; i++) client.ask('one', i)
  await client.until(() => client.values.length === 2, 'two refusals')
  for (const { resultJob } of client.values) assert.match(resultJob.err, /3 requests of one wait already/)
  const deaf = await open()
  server.requests.handle('big', () => 'x'.repeat(100_000))
  deaf.socket.pause()
  for (let i = 0; i < 2_000; i++) deaf.ask('big', i)
  const bytes = () => [...server.registry.sessions].reduce((sum, session) => sum + session.outboxBytes, 0)
  await soon(() => assert.ok(bytes() > 100_000))
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.ok(bytes() < 20_000_000, `${bytes()} bytes wait`)
  deaf.socket.resume()
  await deaf.until(() => deaf.values.length === 2_000, 'all answers')
})

test('a connected client answers a type; when it is lost its request fails and the next one takes over', async (t) => {
  const { client, connect, server } = await begin(t)
  const first = await connect('/ws?user=anna', rpc)
  const second = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  await first.call('requests.execute', { type: 'double' })
  second.send({ jsonrpc: '2.0', id: 1, method: 'requests.execute', params: { type: 'double', concurrency: 5 } })
  await second.until(() => second.values.length === 1, 'the answer')
  client.ask('double', 1, 21)
  client.ask('double', 2, 4)
  const note = await first.json()
  assert.deepEqual([note.method, note.params.type, note.params.payload], ['requests.execute', 'double', 21])
  assert.deepEqual(await first.call('requests.result', { id: note.params.id, result: 42 }), { heard: true })
  assert.equal(await client.answer('double', 1), 42)
  await soon(() => assert.equal(server.requests.running, 1))
  first.terminate()
  assert.match((await client.answer('double', 2)).err, /executor of double was lost/)
  client.ask('double', 3, 5)
  await second.until(() => second.values.some(({ method }) => method === 'requests.execute'), 'the request')
  const { id } = second.values.find(({ method }) => method === 'requests.execute').params
  second.send({ jsonrpc: '2.0', id: 2, method: 'requests.result', params: { id, error: 'too tired' } })
  assert.deepEqual(await client.answer('double', 3), { err: 'too tired' })
  second.socket.destroy()
  await soon(async () => assert.match((await client.call('double', 4, 1)).err, /no executor/))
})

test('requests are asked over HTTP and WebSocket too, and dropped with whoever asked', async (t) => {
  const { server, connect, ask } = await begin(t)
  const one = gate()
  server.requests.handle('one', one.executor)
  server.requests.handle('who', (_payload, { user }) => user)
  assert.deepEqual((await ask('POST', '/requests/who?user=bert', { payload: 1 })).body, { result: 'bert' })
  assert.equal((await ask('POST', '/requests/none', { payload: 1 })).status, 404)
  assert.equal((await ask('POST', '/requests/who', {})).body.field, 'payload')
  const ann = await connect('/ws?user=ann', rpc)
  assert.deepEqual(await ann.call('requests.call', { type: 'who' }), { result: 'ann' })
  void ann.call('requests.call', { type: 'one', payload: 'ann' }).catch(() => undefined)
  const aborter = new AbortController()
  const fetched = fetch(`${server.url}/requests/one`, {
    ...{ method: 'POST', signal: aborter.signal },
    headers: { 'content-type': 'application/json' },
    body: '{"payload":"http"}',
  })
  await soon(() => assert.equal(server.requests.waiting, 1))
  aborter.abort()
  await assert.rejects(fetched)
  await soon(() => assert.equal(server.requests.waiting, 0))
  ann.terminate()
  one.next('x')
  await soon(() => assert.equal(server.requests.running, 0))
  assert.deepEqual(one.begun, ['ann'])
})

test('a server that drains refuses what waits and lets what runs end', async (t) => {
  const clock = new SimulatedClock()
  const { server, client } = await begin(t, {}, { world: stillWorld(clock) })
  const one = gate()
  server.requests.handle('one', one.executor)
  client.ask('one', 1)
  client.ask('one', 2)
  await soon(() => assert.equal(server.requests.waiting, 1))
  const stopped = server.stop(3_000)
  assert.match((await client.answer('one', 2)).err, /stopping/)
  clock.advance(1_000)
  assert.equal(client.closed, false)
  one.next('the last one')
  assert.equal(await client.answer('one', 1), 'the last one')
  await stopped
})

test('what still runs near the end of a drain is answered with an error, and its executor is told to stop', async (t) => {
  const clock = new SimulatedClock()
  const { server, client } = await begin(t, {}, { world: stillWorld(clock) })
  let told: unknown
  server.requests.handle('endless', (_payload, { signal }) => {
    signal.addEventListener('abort', () => (told = signal.reason.code))
    return new Promise(() => undefined)
  })
  client.ask('endless', 1)
  await soon(() => assert.equal(server.requests.running, 1))
  const stopped = server.stop(2_000)
  clock.advance(1_499)
  assert.equal(told, undefined)
  clock.advance(1)
  assert.match((await client.answer('endless', 1)).err, /the server stops.* unknown/)
  assert.equal(told, 'draining')
  await stopped
})

test('200 connections with 500 requests of ten types, some killed: everybody else gets exactly the answers', async (t) => {
  const { server, open } = await begin(t, { handshakes: 0 })
  for (let type = 0; type < 10; type++) {
    server.requests.handle(`t${type}`, type % 2 === 0 ? (payload) => payload : async (payload) => payload)
  }
  const clients: TcpClient[] = []
  for (let i = 0; i < 200; i++) clients.push(await open())
  for (const [c, client] of clients.entries()) {
    for (let i = 0; i < 500; i++) client.ask(`t${i % 10}`, i, `${c}-${i}`)
    if (c % 4 === 3) setTimeout(() => client.socket.destroy(), (c * 7) % 60)
  }
  for (const [c, client] of clients.entries()) {
    if (c % 4 === 3) continue
    await client.until(() => client.values.length === 500, 'all answers', 60_000)
    const seen = new Set(client.values.map(({ type, queryIndex, resultJob }) => `${type} ${queryIndex} ${resultJob}`))
    for (let i = 0; i < 500; i++) assert.ok(seen.has(`t${i % 10} ${i} ${c}-${i}`))
    client.socket.destroy()
  }
  await soon(() => assert.deepEqual([server.requests.waiting, server.requests.running], [0, 0]))
  await soon(() => assert.equal(server.registry.size, 1))
})

test('over TCP nobody in particular may ask, and whoever says hello has everything that is theirs', async (t) => {
  const { client, server, ask } = await begin(t)
  let ids = 0
  const call = async (method: string, params: object = {}): Promise<any> => {
    const id = ++ids
    client.send({ jsonrpc: '2.0', id, method, params }, '\n')
    await client.until(() => client.values.some((value) => value.id === id), method)
    return client.values.find((value) => value.id === id)
  }
  assert.equal((await call('direct.send', { to: 'bert', message: 'hi' })).error.data.code, 'unauthenticated')
  assert.equal((await call('rooms.list')).error.data.code, 'unauthenticated')
  assert.ok((await call('tasks.queues')).result)
  assert.equal((await call('session.hello', { token: 'anna' })).result.user, 'anna')
  assert.equal(server.registry.of('anna').size, 1)
  assert.ok((await call('direct.send', { to: 'bert', message: 'hi' })).result.id)
  assert.equal((await ask('GET', '/ws/history?user=bert')).body.messages[0].fromUser, 'anna')
  assert.equal((await call('session.hello', { token: 'bert' })).result.user, 'anna', 'once')
  client.socket.destroy()
  await soon(() => assert.equal(server.registry.of('anna').size, 0))
})

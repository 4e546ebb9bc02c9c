// Names and keys that mean something to JavaScript: on every way in they are ordinary or refused, and change nothing.

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { type Started, start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

const before = new Map([Object.prototype, Array.prototype, Function.prototype].map((one) => [one, keysOf(one)]))

function keysOf(prototype: object): string {
  return Reflect.ownKeys(prototype).map(String).join()
}

afterEach(() => {
  for (const [prototype, keys] of before) assert.equal(keysOf(prototype), keys, 'a prototype was changed')
  assert.equal(({} as Record<string, unknown>).admin, undefined)
})

/** Payloads as text, because `JSON.stringify` would leave the key out. Refused: JSON with the key `__proto__`, at any depth. */
const refused = ['{"__proto__":{"admin":true}}', '{"a":[{"b":{"\\u005f_proto__":{"admin":true}}}]}']
const ordinary = [
  '{"constructor":{"prototype":{"admin":true}}}',
  '{"a":{"prototype":{"toString":1}},"hasOwnProperty":1}',
]

const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf']

test('a payload that reaches for a prototype is refused or kept as it is, over each transport', async (t) => {
  const { server, connect } = await start(t)
  server.requests.handle('echo', (payload) => payload)
  await server.rooms.create('anna', { id: 'tea', name: 'Tea' })
  const [plain, rpc, room] = await Promise.all([
    connect('/ws?user=anna'),
    connect('/ws?user=anna', { protocols: ['nitka.rpc.v1'] }),
    connect('/rooms/tea/ws?user=anna'),
  ])
  const tcp = () => TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  const post = async (path: string, body: string) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(server.url + path, { method: 'POST', headers, body })
    await response.text()
    return response.status
  }
  for (const text of [...refused, ...ordinary]) {
    const wrong = refused.includes(text)
    plain.send(`{"fromUser":"anna","toUser":"bert","message":${text}}`)
    assert.match(String((await plain.take(1))[0]), wrong ? /^error: .*__proto__/ : /^ok$/)
    rpc.send(`{"jsonrpc":"2.0","id":"x","method":"direct.send","params":{"to":"bert","message":${text}}}`)
    const said = await rpc.json()
    assert.equal(said.error?.data.code, wrong ? 'invalid' : undefined, text)
    room.send(`{"message":${text}}`)
    assert.match(String((await room.take(1))[0]), wrong ? /error/ : /"offset"|ok/, text)
    for (const value of [
      `{"type":"echo","queryIndex":1,"payload":${text}}`,
      `{"jsonrpc":"2.0","id":1,"method":"requests.call","params":{"type":"echo","payload":${text}}}`,
    ]) {
      const client = await tcp()
      client.send(value)
      await client.until(() => client.values.length > 0, 'an answer')
      const [{ resultJob, result, error }] = client.values
      if (wrong) assert.match(JSON.stringify(resultJob ?? error), /__proto__.*not allowed/)
      else assert.deepEqual(resultJob ?? result.result, JSON.parse(text))
    }
    for (const [path, body] of [
      ['/tasks', `{"payload":${text}}`],
      ['/rooms/tea/messages?user=anna', `{"message":${text}}`],
      ['/requests/echo', `{"payload":${text}}`],
      ['/batch', `{"operations":[{"system":{"toUser":"bert","message":${text}}}]}`],
      ['/pools/add', `{"pool":"p","resources":[{"id":"a","data":${text}}]}`],
    ] as const) {
      const status = await post(path, body)
      assert.ok(wrong ? status === 400 : status < 300, `${path} ${text}: ${status}`)
    }
  }
  for (const query of ['__proto__=1', '__proto__[admin]=true', 'constructor[prototype][admin]=true']) {
    await (await fetch(`${server.url}/rooms?user=anna&${query}`)).text()
    const client = await connect(`/ws?user=anna&${query}`)
    client.terminate()
  }
  const odd = await fetch(`${server.url}/rooms?user=anna`, { headers: { __proto__x: '1', constructor: 'x' } })
  assert.equal(odd.status, 200)
})

test('users, rooms, channels, queues, pools, types and devices may be called as anything of an object is', async (t) => {
  const started = await start(t)
  for (const name of names) await useAll(t, started, name)
  const { body } = await started.ask('GET', '/queues?user=anna')
  const queues = body.queues.map(({ queue }: { queue: string }) => queue)
  for (const name of names) assert.ok(queues.includes(name), name)
  assert.equal((await started.ask('GET', '/metrics')).status, 200)
})

async function useAll(t: Parameters<typeof TcpClient.open>[0], { server, connect }: Started, name: string) {
  server.requests.handle(name, () => name)
  const rpc = await connect(`/ws?user=${name}&device=${name}`, { protocols: ['nitka.rpc.v1'] })
  await rpc.call('rooms.create', { id: name, name })
  assert.equal((await rpc.call('rooms.join', { room: name })).room.id, name)
  await rpc.call('rooms.send', { room: name, message: name, clientId: name })
  assert.deepEqual((await rpc.call('rooms.members', { room: name })).members.length, 1)
  assert.deepEqual((await rpc.call('rooms.presence', { room: name })).presence, [name])
  assert.equal((await rpc.call('relay.join', { channel: name })).channel, name)
  await rpc.call('direct.resume', { pending: true })
  assert.equal((await rpc.call('direct.send', { to: name, message: 1, clientId: name })).repeated, false)
  assert.equal((await rpc.call('direct.send', { to: name, message: 1, clientId: name })).repeated, true)
  const [added] = (await rpc.call('tasks.add', { tasks: [{ queue: name, key: name, group: name, payload: {} }] })).tasks
  await rpc.call('tasks.work', { queue: name, batch: 1 })
  await rpc.until(() => rpc.arrived.some((one) => String(one).includes(added.id)), 'the task')
  assert.equal((await rpc.call('tasks.report', { done: [added.id] })).done, 1)
  await rpc.call('pools.add', { pool: name, resources: [name] })
  const hold = await rpc.call('pools.acquire', { pool: name })
  assert.equal(hold.resources[0].id, name)
  assert.equal((await rpc.call('requests.call', { type: name })).result, name)
  await assert.rejects(rpc.call(name), { code: 'not-found' })
  const tcp = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  assert.equal(await tcp.call(name, 1), name)
  assert.match((await tcp.call(`pool.${name}`, 2)).err, /no executor/)
}

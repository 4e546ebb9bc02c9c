// Nitka on the HTTP server of another program.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https'
import { type AddressInfo, connect as connectTo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import Fastify from 'fastify'
import { WebSocketServer } from 'ws'
import { NitkaError } from '../src/index.ts'
import { embed, hostServer, listening } from '../testing/attached.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { ask, connect } from '../testing/server.ts'

const protocols = ['nitka.rpc.v1']

test('a server attached before the host listens is below the path, and the rest is the host’s', async (t) => {
  const host = hostServer(t)
  const nitka = await embed(t, { attach: { server: host } })
  assert.throws(() => nitka.url, { code: 'invalid' })
  const origin = await listening(host)
  assert.equal(nitka.url, `${origin}/nitka`)
  assert.equal(nitka.socketPort, undefined)

  for (const path of ['/', '/nitkas', '/nit', '/healthz', '/Nitka/healthz', '/x/nitka/healthz']) {
    assert.equal((await ask(origin, 'GET', path)).body, `host GET ${path}`)
  }
  assert.deepEqual((await ask(nitka.url, 'GET', '/healthz')).body, { status: 'ok' })
  assert.equal((await ask(nitka.url, 'GET', '')).body.code, 'not-found')
  assert.equal((await ask(nitka.url, 'GET', '?user=ann')).body.code, 'not-found')
  assert.match((await ask(nitka.url, 'GET', '/metrics')).body, /^nitka_connections 0$/m)
  const openApi = (await ask(nitka.url, 'GET', '/openapi.json')).body
  assert.deepEqual(openApi.servers, [{ url: '/nitka' }])
  const asyncApi = (await ask(nitka.url, 'GET', '/asyncapi.json')).body
  assert.equal(asyncApi.channels.ws.address, '/nitka/ws')
  assert.equal(asyncApi.channels.room.address, '/nitka/rooms/{room}/ws')
})

test('every door is open below the path, on a host that listens already', async (t) => {
  const host = hostServer(t)
  await listening(host)
  const { url } = await embed(t, { attach: { server: host, path: '/api/v1/live' } })
  assert.match(url, /\/api\/v1\/live$/)

  const [a, b] = await Promise.all([connect(t, url, '/relay'), connect(t, url, '/relay')])
  a.send('hi')
  assert.deepEqual(await b.take(1), ['hi'])

  const bert = await connect(t, url, '/ws?user=bert', { protocols })
  assert.equal((await bert.call('session.hello')).user, 'bert')
  await ask(url, 'POST', '/rooms?user=ann', { id: 'tea', name: 'Tea', open: true })
  const member = await connect(t, url, '/rooms/tea/ws?user=bert')
  assert.equal((await ask(url, 'POST', '/rooms/tea/messages?user=ann', { message: 'in?' })).status, 201)
  assert.equal((await member.json()).message, 'in?')

  await ask(url, 'POST', '/tasks', { payload: { n: 1 } })
  const stream = await fetch(`${url}/task?batchsize=1`)
  const reader = stream.body!.getReader()
  let text = ''
  while (!text.includes('"Id"')) text += Buffer.from((await reader.read()).value ?? []).toString()
  const id = /"Id":"(\w+)"/.exec(text)?.[1]
  assert.equal((await ask(url, 'POST', '/report', [id])).status, 200)
  await reader.cancel()
})

test('a Fastify app keeps its routes and its own WebSocket server, whichever came first', async (t) => {
  const app = Fastify()
  app.get('/orders', async () => ({ orders: 3 }))
  const own = new WebSocketServer({ server: app.server, path: '/own' })
  own.on('connection', (ws) => ws.send('from the host'))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const nitka = await embed(t, { attach: { server: app.server } })
  const later = new WebSocketServer({ noServer: true })
  app.server.on('upgrade', (request: IncomingMessage, socket, head) => {
    if (request.url === '/later') later.handleUpgrade(request, socket, head, (ws) => ws.send('also'))
  })
  const origin = nitka.url.replace('/nitka', '')

  assert.deepEqual((await ask(origin, 'GET', '/orders')).body, { orders: 3 })
  assert.equal((await ask(origin, 'GET', '/healthz')).body.error, 'Not Found')
  assert.deepEqual(await (await connect(t, origin, '/own')).take(1), ['from the host'])
  const [a, b] = await Promise.all([connect(t, nitka.url, '/relay'), connect(t, nitka.url, '/relay')])
  a.send('hi')
  assert.deepEqual(await b.take(1), ['hi'])

  await nitka.stop(0)
  assert.equal((await ask(origin, 'GET', '/nitka/healthz')).status, 404)
  assert.deepEqual(await (await connect(t, origin, '/own')).take(1), ['from the host'])
  for (const client of own.clients) client.terminate()
  await app.close()
})

test('an upgrade that nobody takes is refused as it was before', async (t) => {
  const host = hostServer(t)
  const origin = await listening(host)
  const nitka = await embed(t, { attach: { server: host } })
  // Without a listener for upgrades, Node answers as if none had been asked for.
  await assert.rejects(connect(t, origin, '/nobody'), /^Error: 200 host GET \/nobody/)
  await assert.rejects(connect(t, nitka.url, '/nobody'), /^Error: 404 .*nothing is served at \/nobody/)
  assert.deepEqual(await answerTo(origin, 'GET /nitka/healthz', 'Upgrade: h2c\r\nConnection: upgrade'), [200, 'ok'])
})

test('two servers are on two paths of one host, and what overlaps is refused', async (t) => {
  const host = hostServer(t)
  const origin = await listening(host)
  const one = await embed(t, { attach: { server: host, path: '/one' } })
  const two = await embed(t, { attach: { server: host, path: '/two' } })
  for (const path of ['/one', '/one/more']) {
    await assert.rejects(embed(t, { attach: { server: host, path } }), { code: 'conflict' })
  }
  const [a, b] = await Promise.all([connect(t, one.url, '/relay'), connect(t, two.url, '/relay')])
  const fence = await connect(t, two.url, '/relay')
  a.send('one')
  fence.send('two')
  assert.deepEqual(await b.take(1), ['two'])

  // The one that came first goes first: what the other one did to the host stays in force.
  await one.stop(0)
  assert.equal((await ask(origin, 'GET', '/one/healthz')).body, 'host GET /one/healthz')
  assert.equal((await ask(two.url, 'GET', '/healthz')).status, 200)
  const again = await embed(t, { attach: { server: host, path: '/one' } })
  assert.equal((await ask(again.url, 'GET', '/healthz')).status, 200)
  await two.stop(0)
  assert.equal((await ask(again.url, 'GET', '/healthz')).status, 200)
})

test('a path that cannot be one, a port beside it, and the root of a host in use are refused', async (t) => {
  const host = hostServer(t)
  for (const path of ['nitka', '/nitka/', '//x', '/a b', '']) {
    await assert.rejects(embed(t, { attach: { server: host, path } }), { code: 'invalid' }, path)
  }
  await assert.rejects(embed(t, { attach: { server: host } }, { port: 0 }), { code: 'invalid' })
  await assert.rejects(embed(t, { attach: { server: host, path: '/' } }), { code: 'conflict' })
  assert.equal(Object.hasOwn(host, 'emit'), false, 'nothing was done to it')
})

test('at the root of a bare TLS server everything is Nitka’s, over https and wss', async (t) => {
  const [cert, key] = ['cert', 'key'].map((name) =>
    readFileSync(new URL(`../testing/tls/${name}.pem`, import.meta.url)),
  )
  const host = createHttpsServer({ cert, key })
  t.after(() => host.close())
  const nitka = await embed(t, { attach: { server: host, path: '/' } })
  host.listen(0, '127.0.0.1')
  await once(host, 'listening')
  assert.equal(nitka.url, `https://127.0.0.1:${(host.address() as AddressInfo).port}`)
  const asked = httpsRequest(`${nitka.url}/healthz`, { rejectUnauthorized: false, agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  assert.equal(answer.statusCode, 200)
  answer.resume()
})

test('stop sends its clients away, ends nothing of the host, and leaves it as it was found', async (t) => {
  let release = (): void => undefined
  const host = hostServer(t, (_request, response) => {
    release = () => response.end('late')
  })
  const own = new WebSocketServer({ server: host, path: '/own' })
  t.after(() => own.close())
  const origin = await listening(host)
  const clock = new SimulatedClock()
  const nitka = await embed(t, { attach: { server: host }, world: stillWorld(clock) })
  const [theirs, ours, plain] = await Promise.all([
    connect(t, origin, '/own'),
    connect(t, nitka.url, '/ws?user=ann', { protocols }),
    connect(t, nitka.url, '/relay'),
  ])
  const work = Promise.withResolvers<string>()
  nitka.requests.handle('slow', () => work.promise)
  const slow = ask(nitka.url, 'POST', '/requests/slow', { payload: 1 })
  const waiting = ask(origin, 'GET', '/slow')
  await eventually(() => nitka.requests.running === 1, 'the request to run')

  const stopped = nitka.stop(2_000)
  work.resolve('done')
  await slow
  clock.advance(1_400)
  await stopped
  assert.equal((await ours.json()).method, 'session.drain')
  assert.deepEqual([(await ours.closed).code, (await plain.closed).code], [1012, 1012])
  assert.equal((await slow).status, 200, 'what was under way was answered')
  assert.deepEqual([Object.hasOwn(host, 'emit'), host.listening], [false, true])
  release()
  assert.equal((await waiting).body, 'late')
  assert.equal(theirs.ws.readyState, theirs.ws.OPEN)
})

test('a host that closes first is no harm: its clients are cut off, and the store is closed as ever', async (t) => {
  const host = hostServer(t)
  await listening(host)
  const nitka = await embed(t, { attach: { server: host } })
  const client = await connect(t, nitka.url, '/ws?user=ann')
  client.send({ fromUser: 'ann', toUser: 'bert', message: 'kept' })
  assert.deepEqual(await client.take(1), ['ok'])
  const closed = once(host, 'close')
  host.close()
  host.closeAllConnections()
  client.terminate()
  await closed
  assert.throws(() => nitka.url, NitkaError)
  assert.equal((await nitka.direct.history('bert', {})).entries.length, 1)
  await nitka.stop(50)
})

test('the checks of Host and Origin count below the path only', async (t) => {
  const host = hostServer(t)
  const origin = await listening(host)
  await embed(t, { attach: { server: host } }, { hosts: ['app.example'], origins: ['https://app.example'] })
  const [good, evil] = ['Host: app.example', 'Host: evil.example']
  assert.deepEqual(await answerTo(origin, 'GET /', evil), [200, 'host GET /'])
  assert.equal((await answerTo(origin, 'GET /nitka/metrics', evil))[0], 403)
  assert.equal((await answerTo(origin, 'GET /nitka/metrics', good))[0], 200)
  assert.equal((await answerTo(origin, 'GET /nitka/metrics', `${good}\r\nOrigin: https://evil.example`))[0], 403)
  assert.equal((await answerTo(origin, 'GET /nitka/metrics', `${good}\r\nOrigin: https://app.example`))[0], 200)
})

test('without authentication only this machine is served, wherever the host listens', async (t) => {
  const host = hostServer(t)
  const nitka = await embed(t, { attach: { server: host } }, { hosts: ['*'] })
  const origin = await listening(host, '::')
  assert.equal((await ask(nitka.url, 'GET', '/metrics')).status, 200)
  await assert.rejects(embed(t, { attach: { server: host, path: '/late' } }), /can be reached from other machines/)
  const allowed = await embed(t, { attach: { server: host, path: '/open' } }, { allowOpen: true })
  assert.equal((await ask(allowed.url, 'GET', '/healthz')).status, 200)
  const { port } = new URL(origin)
  const others = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const other = others.find(({ internal, family }) => !internal && family === 'IPv4')
  if (other === undefined) return t.diagnostic('this machine has no other address')
  assert.equal((await ask(`http://${other.address}:${port}/nitka`, 'GET', '/metrics')).status, 403)
  await assert.rejects(connect(t, `http://${other.address}:${port}/nitka`, '/relay'), /^Error: 403/)
  assert.equal((await ask(`http://${other.address}:${port}`, 'GET', '/')).body, 'host GET /')
})

/** Asks with exactly these header lines. Gives status and the status in the body, or the body. */
async function answerTo(origin: string, line: string, headers: string): Promise<[number, string]> {
  const socket = connectTo(Number(new URL(origin).port), '127.0.0.1')
  const host = headers.startsWith('Host') ? '' : 'Host: localhost\r\n'
  const close = headers.includes('Connection') ? '' : 'Connection: close\r\n'
  socket.write(`${line} HTTP/1.1\r\n${host}${close}${headers}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) {
    text += chunk
    if (/\r\n\r\n.*(}|\/\w*)$/s.test(text)) break
  }
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  return [Number(text.slice(9, 12)), body.startsWith('{') ? JSON.parse(body).status : body]
}

test('a client that waits for leave to send its body gets it, and whatever else it expects is refused', async (t) => {
  const host = hostServer(t)
  host.on('checkContinue', (_request, response) => response.writeHead(417).end())
  host.on('checkExpectation', (_request, response) => response.writeHead(418).end())
  const origin = await listening(host)
  await embed(t, { attach: { server: host } })
  const statuses = async (path: string, expect: string): Promise<unknown> => {
    const headers = { expect, 'content-type': 'application/json' }
    const asked = httpRequest(origin + path, { method: 'POST', headers, agent: false })
    asked.on('continue', () => asked.end('{"payload":{}}'))
    asked.flushHeaders()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    answer.resume()
    asked.destroy()
    return answer.statusCode
  }
  assert.equal(await statuses('/nitka/tasks', '100-continue'), 201)
  assert.equal(await statuses('/tasks', '100-continue'), 417)
  assert.equal(await statuses('/nitka/tasks', 'miracles'), 417)
  assert.equal(await statuses('/tasks', 'miracles'), 418)
})

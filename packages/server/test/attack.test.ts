// Clients that are broken, dead or hostile: what they hold is taken back in time, and nobody else notices.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { clientFrame, opcodes } from '../testing/frames.ts'
import { opened, RawClient, RawSocket, upgradeRequest } from '../testing/raw.ts'
import { type Started, start } from '../testing/server.ts'

/** Two fresh clients still reach each other. */
async function stillServes({ connect }: Started): Promise<void> {
  const [a, b] = await Promise.all([connect('/relay/fence'), connect('/relay/fence')])
  a.send('fence')
  assert.deepEqual(await b.take(1), ['fence'])
}

test('a connection whose other end is gone without a word is found, ended and counted; one that answers stays', async (t) => {
  const clock = new SimulatedClock()
  const started = await start(t, { pingMs: 10_000, pongMs: 5_000 }, { world: stillWorld(clock) })
  const { server, connect, ask } = started
  const living = await connect('/relay')
  let pinged = 0
  living.ws.on('ping', () => pinged++)
  const dead = await RawClient.open(t, server.url, '/relay')
  const heard = () => [...server.registry.sessions].reduce((sum, { wire }) => sum + wire.received, 0)
  const before = heard()
  clock.advance(12_000)
  await eventually(() => pinged > 0 && heard() > before, 'the one to answer')
  clock.advance(4_000)
  await dead.raw.ended
  assert.equal(dead.frames[0]?.opcode, opcodes.ping)
  await eventually(() => server.registry.size === 1, 'its session to be gone')
  const { body } = await ask('GET', '/metrics')
  assert.match(body, /^nitka_connections_silent_total 1$/m)
  assert.match(body, /^nitka_connections_ended_total\{reason="gone"\} 1$/m)
  living.send('still here')
  await stillServes(started)
})

test('two hundred connections that never say who they are are sent away in time, and make room', async (t) => {
  const clock = new SimulatedClock()
  const wishes = { helloMs: 1_000, unauthenticated: 200, pongMs: 500 }
  const started = await start(t, wishes, { world: stillWorld(clock) })
  const { server, connect } = started
  const protocols = ['nitka.rpc.v1']
  const polite = await Promise.all(Array.from({ length: 150 }, () => connect('/ws', { protocols })))
  const rude = await Promise.all(
    Array.from({ length: 50 }, () => RawClient.open(t, server.url, '/ws', ['Sec-WebSocket-Protocol: nitka.rpc.v1'])),
  )
  await assert.rejects(connect('/ws', { protocols }), /^Error: 429 /)
  const known = await connect('/ws?user=anna', { protocols })
  clock.advance(3_000)
  for (const closed of await Promise.all(polite.map((client) => client.closed))) {
    assert.deepEqual(closed, { code: 1008, reason: 'no user was named in time' })
  }
  // These never answer the goodbye.
  clock.advance(500)
  for (const client of rude) {
    await client.raw.ended
    assert.equal(client.closeCode, 1008)
  }
  assert.equal(server.registry.size, 1)
  await Promise.all(Array.from({ length: 200 }, () => connect('/ws', { protocols })))
  assert.ok((await known.call('session.ping')).time)
})

test('a head that comes too slowly, or not at all, ends its connection in time', async (t) => {
  const started = await start(t)
  const { server } = started
  const { http } = server
  assert.deepEqual([http.server.headersTimeout, http.server.requestTimeout], [10_000, 15_000])
  // The same mechanism, sooner.
  http.server.headersTimeout = 300
  http.server.requestTimeout = 300
  const sockets = Array.from({ length: 50 }, () => new RawSocket(t, server.url))
  await Promise.all(sockets.map(opened))
  const head = upgradeRequest(server.url, '/relay')
  sockets.forEach((socket, i) => {
    if (i % 2 === 0) return
    let at = 0
    const dribble = setInterval(() => {
      if (socket.over) clearInterval(dribble)
      else socket.send(head[at++ % 20]!)
    }, 50)
    t.after(() => clearInterval(dribble))
  })
  await Promise.all(sockets.map(({ ended }) => ended))
  for (const { text } of sockets) assert.match(text, /^HTTP\/1\.1 408 [\s\S]*"status":408,"code":"timeout"/)
  await stillServes(started)
})

test('a head that is too large is refused as such, on upgrades too', async (t) => {
  const started = await start(t)
  for (const path of ['/relay', '/healthz']) {
    const socket = new RawSocket(t, started.server.url)
    socket.send(upgradeRequest(started.server.url, path, [`X-Flood: ${'x'.repeat(9_000)}`]))
    await socket.ended
    assert.match(socket.text, /^HTTP\/1\.1 431 [\s\S]*"code":"too-large"/)
  }
  const endless = new RawSocket(t, started.server.url)
  endless.send('GET /relay HTTP/1.1\r\n')
  for (let i = 0; !endless.over; i++) {
    endless.send(`X-${i}: ${'x'.repeat(1_000)}\r\n`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await stillServes(started)
})

test('an upgrade that is none is refused, and its connection ends', async (t) => {
  const started = await start(t)
  const { url } = started.server
  const good = upgradeRequest(url, '/relay')
  const cases: [string, string, RegExp][] = [
    ['no key', good.replace(/Sec-WebSocket-Key.*\r\n/, ''), /^HTTP\/1\.1 400 /],
    ['another version', good.replace('Version: 13', 'Version: 7'), /^HTTP\/1\.1 4\d\d /],
    ['another method', good.replace('GET', 'POST'), /^HTTP\/1\.1 40\d /],
    ['no HTTP', '\u0000\u0001\u0002\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['another protocol', good.replace('websocket', 'h3c'), /^HTTP\/1\.1 426 /],
  ]
  for (const [what, request, answer] of cases) {
    const socket = new RawSocket(t, url)
    socket.send(request)
    await socket.ended
    assert.match(socket.text, answer, what)
  }
  await stillServes(started)
})

test('a foreign page and a rebound name are kept out of every path, as a browser sends them', async (t) => {
  const { server } = await start(t)
  const own = new URL(server.url).host
  const open = (path: string, headers: string[]) => RawClient.open(t, server.url, path, headers)
  for (const path of ['/relay', '/ws?user=anna', '/rooms/tea/ws?user=anna']) {
    for (const headers of [
      ['Origin: https://evil.example'],
      ['Origin: null'],
      [`Origin: http://${own}.evil.example`],
      [`Origin: http://evil-${own}`],
      ['Host: evil.example', 'Origin: http://evil.example'],
      ['Host: evil.example'],
    ]) {
      await assert.rejects(open(path, headers), /HTTP\/1\.1 403 /, `${path} ${headers}`)
    }
  }
  for (const headers of [[], [`Origin: http://${own}`], [`Origin: https://${own}`]]) await open('/relay', headers)
})

test('who floods with pings and reads no answer is read more slowly, without costing memory', async (t) => {
  const started = await start(t)
  const flooder = await RawClient.open(t, started.server.url, '/relay')
  flooder.pause()
  const burst = Buffer.concat(Array.from({ length: 2_000 }, () => clientFrame(opcodes.ping, Buffer.alloc(125))))
  const [session] = started.server.registry.sessions
  for (let sent = 0; sent < 20; sent++) flooder.raw.socket.write(burst)
  await eventually(() => session?.intake.holding === true, 'it to be held back')
  const { received = 0, pendingBytes = 0 } = session?.wire ?? {}
  assert.ok(received < 2 ** 20, `${received} bytes were read`)
  assert.ok(pendingBytes < 2 ** 20, `${pendingBytes} bytes of pongs wait`)
  await stillServes(started)
})

test('noise after the upgrade ends its sender and nobody else', async (t) => {
  const started = await start(t)
  const { server } = started
  let seed = 42
  const byte = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed & 0xff
  }
  const codes = new Set<number>()
  for (let round = 0; round < 10; round++) {
    const noisy = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(t, server.url, '/relay/noise')))
    for (const client of noisy) {
      client.raw.send(Buffer.from(Array.from({ length: 200 }, byte)))
      client.raw.socket.end()
    }
    await Promise.all(noisy.map(({ raw }) => raw.ended))
    for (const client of noisy) codes.add(client.closeCode ?? 0)
  }
  assert.ok(codes.has(1002), [...codes].join())
  await eventually(() => server.registry.size === 0, 'all to be gone')
  await stillServes(started)
})

test('over its rate a client is read more slowly: nothing is lost, and others are not slowed', async (t) => {
  const started = await start(t, { rate: 500, burst: 100 })
  const { connect, server } = started
  const [flood, listener] = await Promise.all([connect('/relay'), connect('/relay')])
  const begun = performance.now()
  for (let i = 0; i < 600; i++) flood.send(`${i}`.padEnd(2_000))
  await stillServes(started)
  const got = await listener.take(600)
  assert.ok(performance.now() - begun >= 700, 'not faster than the rate')
  assert.deepEqual(
    got.map(Number),
    Array.from({ length: 600 }, (_, i) => i),
  )
  assert.ok([...server.registry.sessions].some(({ intake }) => intake.held > 0))
})

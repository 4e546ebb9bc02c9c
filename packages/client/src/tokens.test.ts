import assert from 'node:assert/strict'
import test from 'node:test'
import { hello, start } from '../testing/client.ts'
import { settled } from '../testing/world.ts'
import type { TokenSource } from './tokens.ts'

const tokensOf = (server: { wires: { calls(method: string): { params: any }[] }[] }) =>
  server.wires.flatMap((wire) => wire.calls('session.hello').map(({ params }) => params.token))

function counting(): { readonly token: TokenSource; readonly asked: () => number } {
  let asked = 0
  return { token: () => `t${++asked}`, asked: () => asked }
}

test('the greeting names the token and the device', async (t) => {
  const { server, live } = start(t, { token: 'secret', device: 'phone' })
  await live()
  assert.deepEqual(server.wire.sent[0]?.params, { version: 1, token: 'secret', device: 'phone' })
})

test('a token function is asked once for many connections', async (t) => {
  const { token, asked } = counting()
  const { server, live, reconnect } = start(t, { token })
  await live()
  await reconnect()
  await reconnect()
  assert.deepEqual(tokensOf(server), ['t1', 't1', 't1'])
  assert.equal(asked(), 1)
})

test('a connection closed because the token has ended comes back with a new one', async (t) => {
  const { token } = counting()
  const { nitka, server, live, pass } = start(t, { token })
  await live()
  server.wire.end(3000)
  await pass(250)
  await live()
  assert.equal(nitka.state, 'live')
  assert.deepEqual(tokensOf(server), ['t1', 't2'])
})

test('a client whose only token has ended is closed', async (t) => {
  const { nitka, server, live } = start(t, { token: 'secret' })
  await live()
  server.wire.end(3000)
  assert.equal(nitka.state, 'closed')
})

test('a token that never changes and is refused closes the client', async (t) => {
  const { nitka, server, pass } = start(t, { token: 'secret' })
  server.wire.open()
  await settled()
  server.wire.refuse('session.hello', 'unauthenticated', 'unknown token')
  await pass(100_000)
  assert.equal(nitka.state, 'closed')
  assert.equal(server.wires.length, 1)
  const error = await nitka.ready().catch((thrown) => thrown)
  assert.equal(error.message, 'unknown token')
})

test('a function whose tokens are refused is asked for another one, three times in a row', async (t) => {
  const { token } = counting()
  const { nitka, server, pass, live } = start(t, { token })
  const refuse = async () => {
    server.wire.open()
    await settled()
    server.wire.refuse('session.hello', 'unauthenticated')
    await pass(5_000)
  }
  await refuse()
  await refuse()
  await live()
  server.wire.end()
  await pass(5_000)
  await refuse()
  await refuse()
  assert.equal(nitka.state, 'connecting')
  await refuse()
  assert.equal(nitka.state, 'closed')
  assert.deepEqual(tokensOf(server), ['t1', 't2', 't3', 't3', 't4', 't5'])
})

test('a fault of the server at the greeting, or too many, is no refusal', async (t) => {
  const { nitka, server, pass, live } = start(t, { token: 'secret', handshakeMs: 10 ** 6 })
  for (const code of ['internal', 'unavailable', 'overloaded', 'timeout', 'draining'] as const) {
    server.wire.open()
    await settled()
    server.wire.refuse('session.hello', code)
    await settled()
    assert.equal(nitka.state, 'waiting')
    await pass(30_000)
  }
  await live()
  assert.equal(nitka.state, 'live')
})

test('a server that does not understand the greeting is not asked again', async (t) => {
  const { nitka, server } = start(t, { token: () => 't' })
  server.wire.open()
  await settled()
  server.wire.refuse('session.hello', 'invalid')
  await settled()
  assert.equal(nitka.state, 'closed')
})

test('a token function that throws is asked again and again, and that is no refusal', async (t) => {
  let asked = 0
  const token = async () => {
    if (++asked < 6) throw new Error('no network')
    return `t${asked}`
  }
  const { nitka, server, pass, live } = start(t, { token, handshakeMs: 10 ** 6 })
  const seen: unknown[] = []
  nitka.on('state', ({ error }) => error && seen.push([error.code, (error.cause as Error).message]))
  for (let i = 1; i < 6; i++) {
    server.wire.open()
    await pass(30_000)
  }
  assert.deepEqual(seen, Array(5).fill(['unauthenticated', 'no network']))
  server.wire.open()
  await settled()
  server.wire.refuse('session.hello', 'unauthenticated')
  await pass(30_000)
  assert.equal(nitka.state, 'connecting')
  await live()
  assert.equal(nitka.state, 'live')
})

test('a token function that hangs holds up an attempt only for its time', async (t) => {
  let asked = 0
  const token = () => (++asked === 1 ? new Promise<string>(() => undefined) : `t${asked}`)
  const { server, pass, live, nitka } = start(t, { token, handshakeMs: 1_000 })
  server.wire.open()
  await pass(1_000)
  assert.equal(nitka.state, 'waiting')
  await pass(250)
  await live()
  assert.deepEqual(tokensOf(server), ['t2'])
})

test('a token that comes after a newer one does not replace it', async (t) => {
  let late: (token: string) => void = () => undefined
  let asked = 0
  const token = () => (++asked === 1 ? new Promise<string>((resolve) => (late = resolve)) : `t${asked}`)
  const { server, pass, live, reconnect } = start(t, { token, handshakeMs: 1_000 })
  server.wire.open()
  await pass(1_250)
  await live()
  late('t1')
  await settled()
  await reconnect()
  assert.deepEqual(tokensOf(server), ['t2', 't2'])
})

test('a newer token is given 30 s before the old one ends, on the same connection', async (t) => {
  const { token } = counting()
  const { server, live, pass } = start(t, { token, pingMs: 0 })
  const wire = await live({ expiresInMs: 600_000 })
  await pass(569_999)
  assert.deepEqual(tokensOf(server), ['t1'])
  await pass(1)
  assert.deepEqual(tokensOf(server), ['t1', 't2'])
  wire.answer('session.hello', { ...hello, session: 'x', expiresInMs: 10_000 })
  await pass(8_999)
  assert.equal(tokensOf(server).length, 2)
  await pass(1)
  assert.deepEqual(tokensOf(server), ['t1', 't2', 't3'])
  assert.equal(server.wires.length, 1)
})

test('a renewal that fails is tried again every 5 s', async (t) => {
  let fails = true
  let asked = 0
  const token = () => {
    asked++
    if (fails && asked > 1) throw new Error('no network')
    return `t${asked}`
  }
  const { nitka, server, live, pass } = start(t, { token, pingMs: 0 })
  const wire = await live({ expiresInMs: 600_000 })
  await pass(570_000)
  await pass(5_000)
  assert.equal(asked, 3)
  fails = false
  await pass(5_000)
  assert.deepEqual(tokensOf(server), ['t1', 't4'])
  wire.refuse('session.hello', 'unauthenticated')
  await pass(5_000)
  assert.deepEqual(tokensOf(server), ['t1', 't4', 't5'])
  wire.answer('session.hello', { ...hello, session: 'x' })
  await pass(1_000_000)
  assert.equal(nitka.state, 'live')
  assert.equal(asked, 5)
})

test('a renewal whose token comes after the client was closed is given up', async (t) => {
  let late: (token: string) => void = () => undefined
  let asked = 0
  const token = () => (++asked === 1 ? 't1' : new Promise<string>((resolve) => (late = resolve)))
  const { nitka, live, pass, world } = start(t, { token, pingMs: 0 })
  await live({ expiresInMs: 60_000 })
  await pass(54_000)
  nitka.close()
  late('t2')
  await settled()
  assert.equal(asked, 2)
  assert.equal(world.clock.waiting, 0)
})

test('who is told to come back because of bad tokens from their address comes back with a new one', async (t) => {
  const { token } = counting()
  const { nitka, server, pass, live } = start(t, { token })
  server.wire.open()
  await settled()
  server.wire.refuse('session.hello', 'overloaded', 'too much from this address was not taken', 'token')
  await pass(250)
  await live()
  assert.equal(nitka.state, 'live')
  assert.deepEqual(tokensOf(server), ['t1', 't2'])
})

test('a function that goes on giving the token that is about to end is asked once a second at most', async (t) => {
  let asked = 0
  const token = () => `the same, asked for ${++asked} times`
  const { server, live, pass } = start(t, { token, pingMs: 0 })
  const wire = await live({ expiresInMs: 100 })
  server.on('session.hello', () => ({ ...hello, session: 'x', expiresInMs: 1 }))
  await pass(10_000)
  assert.ok(asked <= 11, `asked ${asked} times`)
  assert.equal(wire.over, false)
})

// Tokens: asked for when they are needed, renewed before they end.

import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { SignJWT } from 'jose'
import type { ServerTools } from '../../server/src/server-tools.ts'
import { SimulatedClock } from '../../server/testing/clock.ts'
import { eventually } from '../../server/testing/eventually.ts'
import { farWorld } from '../../server/testing/far-clock.ts'
import { start } from '../../server/testing/server.ts'
import { connect, type StateChange } from '../src/index.ts'

const secret = 'a secret of at least thirty-two bytes, for tests'

function sign(user: string, seconds: number, nowMs = Date.now()): Promise<string> {
  const key = new TextEncoder().encode(secret)
  const now = Math.floor(nowMs / 1_000)
  return new SignJWT({ sub: user, exp: now + seconds, iat: now }).setProtectedHeader({ alg: 'HS256' }).sign(key)
}

function begin(t: TestContext, tools?: ServerTools) {
  return start(t, { authMode: 'jwt', authSecret: secret, authSkewMs: 0 }, tools)
}

test('a client is who its token says, over an address that says nothing', async (t) => {
  const { server } = await begin(t)
  const nitka = connect(server.url, { token: await sign('anna', 60) })
  t.after(() => nitka.close())
  await nitka.ready()
  assert.equal(nitka.user, 'anna')
})

test('a token that is about to end is renewed, and the connection stays', async (t) => {
  const clock = new SimulatedClock()
  const { server } = await begin(t, { world: farWorld(clock, 1_000) })
  const tokens = [await sign('anna', 2, clock.now()), await sign('anna', 60, clock.now())]
  const nitka = connect(server.url, { token: () => tokens.shift() ?? 'one too many', retryBaseMs: 10 })
  t.after(() => nitka.close())
  await nitka.ready()
  const { session } = nitka.server ?? {}
  await eventually(() => tokens.length === 0, 'a second token is asked for')
  // Answered after what was sent before it: the new token was taken.
  await nitka.rooms.list()
  clock.advance(10_000)
  assert.deepEqual((await nitka.rooms.list()).rooms, [])
  assert.equal(nitka.server?.session, session)
})

test('a token that has ended and cannot be renewed ends the client, with the reason', async (t) => {
  const clock = new SimulatedClock()
  const { server } = await begin(t, { world: farWorld(clock) })
  const nitka = connect(server.url, { token: await sign('anna', 60, clock.now()), retryBaseMs: 10 })
  t.after(() => nitka.close())
  const states: StateChange[] = []
  nitka.on('state', (change) => states.push(change))
  await nitka.ready()
  clock.advance(60_000)
  await eventually(() => nitka.state === 'closed', 'it is closed')
  assert.match(states.at(-1)?.error?.message ?? '', /token/)
  await assert.rejects(nitka.rooms.list(), { code: 'closed' })
})

test('a refused token closes the client at once; a function is asked again, up to three times', async (t) => {
  const { server } = await begin(t)
  const fixed = connect(server.url, { token: 'nonsense', retryBaseMs: 10 })
  await assert.rejects(fixed.ready(), { code: 'unauthenticated' })
  let asked = 0
  const asking = connect(server.url, { token: () => `nonsense ${++asked}`, retryBaseMs: 10 })
  await assert.rejects(asking.ready(), { code: 'unauthenticated' })
  assert.equal(asked, 3)
})

// Keys at a URL: kept while it is down, fetched again when one is unknown, and never more often than every 30 s.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SimulatedClock } from '../../../testing/clock.ts'
import { goodClaims, rules } from '../../../testing/forged-tokens.ts'
import { base64, ec, ed, jwk, KeyServer, otherRsa, rsa, token } from '../../../testing/tokens.ts'
import { JwtAuthenticator } from './jwt.ts'
import { readKeys } from './keys.ts'

async function open(t: TestContext) {
  const clock = new SimulatedClock()
  const server = await KeyServer.open(t)
  const failures: string[] = []
  const keys = readKeys({ secret: '', publicKey: '', jwksUrl: server.url, algorithms: [] })
  const jwt = new JwtAuthenticator({ keys, ...rules, skewMs: 0 }, clock, (error) => failures.push(String(error)))
  const take = async (given: string) =>
    (
      await jwt.identify({
        query: new URLSearchParams(),
        authorization: undefined,
        protocols: [],
        token: given,
        address: '',
      })
    )?.user
  const good = () => ({ ...goodClaims(clock.now()) })
  return { clock, server, jwt, take, good, failures }
}

const first = { alg: 'RS256', kid: 'one' }
const second = { alg: 'RS256', kid: 'two' }

test('keys of all kinds are found by their names, with one fetch', async (t) => {
  const { server, take, good } = await open(t)
  server.keys = [jwk(rsa, 'one'), jwk(ec, 'e'), jwk(ed, 'd'), { ...jwk(otherRsa, 'enc'), use: 'enc' }]
  const tokens = [
    token(good(), first, rsa.privateKey),
    token(good(), { alg: 'ES256', kid: 'e' }, ec.privateKey),
    token(good(), { alg: 'EdDSA', kid: 'd' }, ed.privateKey),
  ]
  assert.deepEqual(await Promise.all(tokens.map(take)), ['anna', 'anna', 'anna'])
  assert.equal(server.asked, 1)
  await assert.rejects(take(token(good(), { alg: 'RS256', kid: 'enc' }, otherRsa.privateKey)))
})

test('known keys go on while the URL is down, for hours; unknown ones are told to come back', async (t) => {
  const { clock, server, take, good, failures, jwt } = await open(t)
  server.keys = [jwk(rsa, 'one')]
  assert.equal(await take(token(good(), first, rsa.privateKey)), 'anna')
  server.answer = { status: 500 }
  for (let minutes = 0; minutes < 120; minutes += 2) {
    clock.advance(120_000)
    assert.equal(await take(token(good(), first, rsa.privateKey)), 'anna')
  }
  server.close()
  clock.advance(600_000)
  await assert.rejects(take(token(good(), second, otherRsa.privateKey)), { code: 'unavailable' })
  assert.equal(await take(token(good(), first, rsa.privateKey)), 'anna')
  assert.ok(failures.length > 5 && failures.length === jwt.remote?.failed)
})

test('while there were never any keys everybody is told to come back, and later everybody gets in', async (t) => {
  const { clock, server, take, good } = await open(t)
  server.answer = { status: 503 }
  await assert.rejects(take(token(good(), first, rsa.privateKey)), { code: 'unavailable' })
  server.answer = undefined
  server.keys = [jwk(rsa, 'one')]
  await assert.rejects(take(token(good(), first, rsa.privateKey)), { code: 'unavailable' })
  assert.equal(server.asked, 1)
  clock.advance(30_000)
  assert.equal(await take(token(good(), first, rsa.privateKey)), 'anna')
})

test('a new key is found by its first token, and a withdrawn one is gone ten minutes later', async (t) => {
  const { clock, server, take, good } = await open(t)
  server.keys = [jwk(rsa, 'one')]
  await take(token(good(), first, rsa.privateKey))
  server.keys = [jwk(otherRsa, 'two')]
  clock.advance(30_000)
  assert.equal(await take(token(good(), first, rsa.privateKey)), 'anna')
  assert.equal(await take(token(good(), second, otherRsa.privateKey)), 'anna')
  assert.equal(server.asked, 2)
  await assert.rejects(take(token(good(), first, rsa.privateKey)), { code: 'unauthenticated' })
  server.keys = []
  clock.advance(600_000)
  // Found old by this one, which does not wait.
  assert.equal(await take(token(good(), second, otherRsa.privateKey)), 'anna')
  while (server.asked < 3) await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(take(token(good(), { ...second, kid: 'three' }, otherRsa.privateKey)))
  await assert.rejects(take(token(good(), second, otherRsa.privateKey)), { code: 'unauthenticated' })
})

test('ten thousand tokens with keys that do not exist make one fetch in 30 s', async (t) => {
  const { clock, server, take, good } = await open(t)
  server.keys = [jwk(rsa, 'one')]
  await take(token(good(), first, rsa.privateKey))
  clock.advance(30_000)
  const claims = good()
  for (let i = 0; i < 10_000; i += 500) {
    const flood = Array.from({ length: 500 }, (_, n) =>
      take(`${base64(`{"alg":"RS256","kid":"x${i + n}"}`)}.${base64(JSON.stringify(claims))}.AA`),
    )
    const results = await Promise.allSettled(flood)
    assert.ok(results.every(({ status }) => status === 'rejected'))
    clock.advance(1_000)
  }
  assert.equal(server.asked, 2)
  assert.equal(await take(token(good(), first, rsa.privateKey)), 'anna')
})

test('an answer that is no key set, too large, elsewhere or too late is none', async (t) => {
  const { clock, server, take, good, failures } = await open(t)
  server.keys = [jwk(rsa, 'one')]
  await take(token(good(), first, rsa.privateKey))
  for (const answer of [
    ...[
      { status: 200, body: 'x' },
      { status: 200, body: '[]' },
      { status: 200, body: '{"keys":{}}' },
    ],
    ...[
      { status: 200, body: `{"keys":[],"x":"${'x'.repeat(300_000)}"}` },
      { status: 302, location: server.url },
    ],
  ]) {
    server.answer = answer
    clock.advance(30_000)
    await assert.rejects(take(token(good(), second, otherRsa.privateKey)), { code: 'unavailable' })
    assert.equal(await take(token(good(), first, rsa.privateKey)), 'anna')
  }
  assert.equal(failures.length, 5)
  server.answer = undefined
  server.silent = true
  clock.advance(30_000)
  const waiting = assert.rejects(take(token(good(), second, otherRsa.privateKey)), { code: 'unavailable' })
  while (server.asked < 7) await new Promise((resolve) => setImmediate(resolve))
  clock.advance(5_000)
  await waiting
})

test('a shared secret at the URL is passed over', async (t) => {
  const { server, take, good } = await open(t)
  server.keys = [{ kty: 'oct', k: base64('a'.repeat(32)), kid: 'one', alg: 'HS256' }]
  await assert.rejects(take(token(good(), { kid: 'one' }, 'a'.repeat(32))), { code: 'unauthenticated' })
  await assert.rejects(take(token(good(), first, rsa.privateKey)), { code: 'unauthenticated' })
})

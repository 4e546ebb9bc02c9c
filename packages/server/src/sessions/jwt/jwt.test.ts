// Which tokens are taken, and what they say.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import { SimulatedClock } from '../../../testing/clock.ts'
import { forgedForPublicKey, forgedTokens, goodClaims, rules } from '../../../testing/forged-tokens.ts'
import { ec, ed, pem, rsa, secret, token } from '../../../testing/tokens.ts'
import type { Credentials } from '../auth.ts'
import { JwtAuthenticator } from './jwt.ts'
import { type KeyWishes, readKeys } from './keys.ts'

const noKeys: KeyWishes = { secret: '', publicKey: '', jwksUrl: '', algorithms: [] }

function open(keys: Partial<KeyWishes> = { secret }, skewMs = 5_000) {
  const clock = new SimulatedClock()
  const parts = { keys: readKeys({ ...noKeys, ...keys }), ...rules, skewMs }
  const jwt = new JwtAuthenticator(parts, clock, (error) => assert.fail(String(error)))
  const take = (given: string) => jwt.identify(offer({ token: given }))
  return { clock, jwt, take, good: goodClaims(clock.now()) }
}

function offer(wishes: Partial<Credentials>): Credentials {
  return {
    query: new URLSearchParams(),
    authorization: undefined,
    protocols: [],
    token: undefined,
    address: '',
    ...wishes,
  }
}

function isRefusal(error: unknown, given: string): boolean {
  assert.ok(error instanceof NitkaError && error.code === 'unauthenticated', String(error))
  const parts = given.split('.').filter((part) => part.length > 4)
  assert.ok(!parts.some((part) => error.message.includes(part)), error.message)
  return true
}

test('a good token is taken on each way in, and says who, until when and what', async () => {
  const { clock, jwt, good } = open()
  const expected = { user: 'anna', expiresAt: clock.now() + 600_000 }
  const valid = token(good)
  for (const credentials of [
    { token: valid },
    { authorization: `Bearer ${valid}` },
    { authorization: `bearer  ${valid}` },
    { protocols: ['nitka.rpc.v1', `nitka.token.${valid}`] },
  ]) {
    const { allow, ...who } = (await jwt.identify(offer(credentials))) ?? assert.fail()
    assert.deepEqual(who, expected)
    assert.ok(allow?.includes('relay.join'))
  }
  assert.equal(jwt.refused, 0)
})

test('offering nothing is no refusal; offering two tokens, or half a header, is one', async () => {
  const { jwt, good } = open()
  const valid = token(good)
  for (const credentials of [{}, { authorization: 'Basic YTpi' }, { authorization: 'Bearerx' }, { protocols: ['a'] }]) {
    assert.equal(await jwt.identify(offer(credentials)), undefined)
  }
  for (const credentials of [
    { token: valid, authorization: `Bearer ${valid}` },
    { protocols: [`nitka.token.${valid}`, `nitka.token.${valid}`] },
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${valid} ${valid}` },
    { authorization: `Bearer ${valid},${valid}` },
    { authorization: `Bearer\t${valid}` },
    { protocols: ['nitka.token.'] },
  ]) {
    await assert.rejects(jwt.identify(offer(credentials)), (error) => isRefusal(error, valid))
  }
  assert.equal(jwt.refused, 8)
})

test('none of many forged tokens is taken, and no refusal repeats any of them', async () => {
  const { clock, jwt, take } = open()
  const forged = Object.entries(forgedTokens(clock.now()))
  assert.ok(forged.length >= 60)
  for (const [what, given] of forged) {
    await assert.rejects(take(given), (error) => isRefusal(error, given), what)
  }
  const huge = token({ ...goodClaims(clock.now()), x: 'x'.repeat(8_192) })
  await assert.rejects(take(huge), (error) => isRefusal(error, huge))
  assert.equal(jwt.refused, forged.length + 1)
})

test('with a public key no token signed by anything else is taken, the key itself least of all', async () => {
  const { clock, take, good } = open({ publicKey: pem(rsa) })
  assert.equal((await take(token(good, { alg: 'RS256' }, rsa.privateKey)))?.user, 'anna')
  for (const [what, given] of Object.entries(forgedForPublicKey(clock.now()))) {
    await assert.rejects(take(given), (error) => isRefusal(error, given), what)
  }
})

test('each algorithm is taken with its key, and headers about keys elsewhere change nothing', async () => {
  const keys: [string, { publicKey: typeof rsa.publicKey; privateKey: typeof rsa.privateKey }][] = [
    ['RS256', rsa],
    ['ES256', ec],
    ['EdDSA', ed],
  ]
  for (const [alg, pair] of keys) {
    const { take, good } = open({ publicKey: pem(pair).replaceAll('\n', '\\n') })
    const header = { alg, typ: 'at+JWT', kid: '../x', jku: 'http://127.0.0.1:9/', jwk: {}, x5u: 'http://127.0.0.1:9/' }
    assert.equal((await take(token(good, header, pair.privateKey)))?.user, 'anna', alg)
  }
})

test('what a token permits is its list, an ordinary one without, and a backend needs one', async () => {
  const { take, good } = open()
  const { sub: _, ...nameless } = good
  assert.deepEqual((await take(token({ ...good, nitka: ['tasks.work:mail'] })))?.allow, ['tasks.work:mail'])
  const backend = await take(token({ ...nameless, nitka: ['backend.send', '*'] }))
  assert.deepEqual([backend?.user, backend?.allow], ['', ['backend.send', '*']])
  assert.equal((await take(token({ ...good, sub: 7 })))?.user, '7')
  assert.equal((await take(token({ ...good, aud: ['x', rules.audience] })))?.user, 'anna')
})

test('the skew is granted at both ends, and no more than that', async () => {
  const { clock, take, good } = open()
  const seconds = clock.now() / 1_000
  assert.equal((await take(token({ ...good, nbf: seconds + 5 })))?.user, 'anna')
  await assert.rejects(take(token({ ...good, nbf: seconds + 6 })))
  const late = await take(token({ ...good, exp: seconds - 4 }))
  assert.equal(late?.expiresAt, clock.now() + 1_000)
  await assert.rejects(take(token({ ...good, exp: seconds - 5 })))
  const strict = open({ secret }, 0)
  await assert.rejects(strict.take(token({ ...good, exp: seconds })))
  assert.equal((await strict.take(token({ ...good, exp: seconds + 1 })))?.expiresAt, clock.now() + 1_000)
  clock.advance(700_000)
  await assert.rejects(take(token(good)))
})

// Which keys are taken, and what is said of those that are not.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import { ec, ed, pem, rsa, secret } from '../../../testing/tokens.ts'
import { readKeys } from './keys.ts'

const none = { secret: '', publicKey: '', jwksUrl: '', algorithms: [] }

test('the algorithms follow from the key, and may be fewer but no others', () => {
  const of = (wishes: Partial<Parameters<typeof readKeys>[0]>) => readKeys({ ...none, ...wishes }).algorithms
  assert.deepEqual(of({ secret }), ['HS256'])
  assert.deepEqual(of({ publicKey: pem(rsa) }), ['RS256'])
  assert.deepEqual(of({ publicKey: pem(ec) }), ['ES256'])
  assert.deepEqual(of({ publicKey: pem(ed) }), ['EdDSA'])
  assert.deepEqual(of({ jwksUrl: 'https://a.example/keys' }), ['RS256', 'ES256', 'EdDSA'])
  assert.deepEqual(of({ jwksUrl: 'https://a.example/keys', algorithms: ['EdDSA'] }), ['EdDSA'])
  for (const wishes of [
    { secret, algorithms: ['RS256'] },
    { secret, algorithms: ['none'] },
    { publicKey: pem(rsa), algorithms: ['HS256'] },
    { publicKey: pem(rsa), algorithms: ['RS256', 'HS256'] },
    { publicKey: pem(rsa), algorithms: ['ES256'] },
    { jwksUrl: 'https://a.example/keys', algorithms: ['HS256'] },
  ]) {
    assert.throws(() => of(wishes), /authAlgorithms has \w+, which does not fit the key/)
  }
})

test('a key may be in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nitka-'))
  try {
    writeFileSync(join(folder, 'key.pem'), pem(ec))
    assert.deepEqual(readKeys({ ...none, publicKey: join(folder, 'key.pem') }).algorithms, ['ES256'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what cannot be meant is refused in one line, without the secret', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const hidden = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const cases: [Partial<Parameters<typeof readKeys>[0]>, RegExp][] = [
    [{}, /needs one of authSecret, authPublicKey and authJwksUrl; none is given/],
    [{ secret, publicKey: pem(rsa) }, /given are authSecret and authPublicKey/],
    [{ secret: 'short-secret' }, /authSecret must have at least 32 bytes/],
    [{ publicKey: pem(small) }, /2,048 bits/],
    [{ publicKey: pem(p384) }, /P-256/],
    [{ publicKey: hidden }, /is a private key/],
    [{ publicKey: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----' }, /no PEM of a public key/],
    [{ publicKey: './there-is-no-such.pem' }, /neither a PEM nor a file/],
    [{ jwksUrl: 'http://keys.example/' }, /https/],
    [{ jwksUrl: 'file:///etc/keys' }, /https/],
    [{ jwksUrl: 'keys' }, /https/],
    [{ jwksUrl: 'https://u:passw0rd@keys.example/' }, /must not have a user/],
  ]
  for (const [wishes, message] of cases) {
    assert.throws(
      () => readKeys({ ...none, ...wishes }),
      (error) => {
        assert.ok(error instanceof NitkaError && error.code === 'invalid')
        assert.match(error.message, message)
        assert.ok(!/short-secret|passw0rd|\n/.test(error.message), error.message)
        return true
      },
    )
  }
})

// The command line with tokens: signing, starting, asking a server that wants one.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { createServer } from '../src/server.ts'
import { runProcess, startProcess } from '../testing/process.ts'
import { start, temporaryFolder } from '../testing/server.ts'
import { ec, ed, pem, rsa, secret } from '../testing/tokens.ts'

test('a token comes alone on standard output, and says what was asked', async (t) => {
  const environment = { NITKA_AUTH_SECRET: secret, NITKA_AUTH_AUDIENCE: 'a', NITKA_AUTH_ISSUER: 'i' }
  const wish = ['token', '--user', 'anna', '--ttl', '15m', '--allow', 'tasks.work:mail,user']
  const { code, output, errors } = await runProcess(t, wish, environment)
  assert.deepEqual([code, errors], [0, ''])
  assert.match(output, /^[\w-]+\.[\w-]+\.[\w-]+\n$/)
  const { iat = 0, exp = 0, ...claims } = decodeJwt(output.trim())
  assert.deepEqual(claims, { sub: 'anna', aud: 'a', iss: 'i', nitka: ['tasks.work:mail', 'user'] })
  assert.equal(exp - iat, 900)
  assert.ok(Math.abs(Date.now() / 1_000 - iat) < 60)
  const made = await runProcess(t, ['token', '--generate-secret'])
  const again = await runProcess(t, ['token', '--generate-secret'])
  assert.match(made.output, /^[\w-]{43}\n$/)
  assert.notEqual(made.output, again.output)
})

test('a private key signs with the algorithm that it is for, and the server takes it', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [alg, pair] of [
    ['RS256', rsa],
    ['ES256', ec],
    ['EdDSA', ed],
  ] as const) {
    const [privateFile, publicFile] = [join(folder, `${alg}.key`), join(folder, `${alg}.pem`)]
    await writeFile(privateFile, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(publicFile, pem(pair))
    const { output } = await runProcess(t, ['token', '--user', 'anna', '--key', privateFile])
    assert.equal(decodeProtectedHeader(output.trim()).alg, alg)
    const { connect } = await start(t, { authMode: 'jwt', authPublicKey: publicFile })
    const client = await connect('/ws', { protocols: ['nitka.rpc.v1', `nitka.token.${output.trim()}`] })
    assert.equal((await client.call('session.hello')).user, 'anna')
  }
})

test('what cannot be signed is refused in one line', async (t) => {
  for (const [args, environment, message] of [
    [[], {}, /nitka token needs --user/],
    [['--user', 'a'], {}, /set NITKA_AUTH_SECRET/],
    [['--user', 'a'], { NITKA_AUTH_SECRET: 'too short' }, /at least 32 bytes/],
    [['--user', 'a', '--ttl', '1y'], { NITKA_AUTH_SECRET: secret }, /--ttl/],
    [['--user', ''], { NITKA_AUTH_SECRET: secret }, /--user must not be empty/],
    [['--user', 'a', '--key', 'nowhere.pem'], {}, /--key is neither a PEM nor a file/],
  ] as const) {
    const { code, output, errors } = await runProcess(t, ['token', ...args], environment)
    assert.deepEqual([code, output], [2, ''])
    assert.match(errors, message)
    assert.ok(!errors.includes('too short'))
  }
})

test('options that do not fit together stop the server at its start, and never show the secret', async (t) => {
  const data = await temporaryFolder(t)
  for (const [wishes, message] of [
    [{ authMode: 'jwt' }, /needs one of authSecret, authPublicKey and authJwksUrl/],
    [{ authMode: 'jwt', authSecret: 'short' }, /at least 32 bytes/],
    [{ authMode: 'jwt', authSecret: secret, authPublicKey: pem(rsa) }, /given are authSecret and authPublicKey/],
    [{ authMode: 'jwt', authSecret: secret, authAlgorithms: ['RS256'] }, /does not fit the key/],
    [{ authMode: 'jwt', authSecret: secret, authSkewMs: 30_001 }, /authSkewMs must be an integer from 0 to 30000/],
    [{ authMode: 'token' }, /authMode must be one of open, jwt/],
    [{ authSecret: secret }, /say --auth-mode jwt/],
    [{ authAlgorithms: ['HS256'] }, /say --auth-mode jwt/],
    [{ host: '0.0.0.0' }, /nobody is asked who they are; use 127.0.0.1 or --auth-mode jwt/],
  ] as const) {
    await assert.rejects(createServer({ ...wishes, data, port: 0 }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'invalid')
      assert.match(error.message, message)
      assert.ok(!error.message.includes(secret))
      return true
    })
  }
  const authenticator = { identify: async () => ({ user: 'anna' }) }
  await assert.rejects(createServer({ authMode: 'jwt', authSecret: secret, data, port: 0 }, { authenticator }), {
    code: 'invalid',
  })
  const environment = { NITKA_AUTH_SECRET: secret, NITKA_AUTH_TOKEN: 'a.token.here' }
  const shown = await runProcess(t, ['config'], environment)
  assert.match(shown.output, /^auth-secret +NITKA_AUTH_SECRET +NITKA_AUTH_SECRET +\*\*\*$/m)
  assert.match(shown.output, /^auth-token +NITKA_AUTH_TOKEN +NITKA_AUTH_TOKEN +\*\*\*$/m)
  assert.ok(!shown.output.includes(secret) && !shown.output.includes('a.token.here'))
})

test('with tokens the server listens for other machines, and commands show theirs', async (t) => {
  const flags = ['--auth-mode', 'jwt', '--auth-secret', secret, '--host', '0.0.0.0']
  const { url } = await startProcess(t, await temporaryFolder(t), flags)
  const environment = { NITKA_AUTH_SECRET: secret }
  const signed = await runProcess(t, ['token', '--allow', 'tasks.*,admin.*,requests.*,pools.*'], environment)
  const token = { NITKA_AUTH_TOKEN: signed.output.trim() }
  for (const args of [
    ['tasks', 'add', '{"Period":5}'],
    ['tasks', 'list'],
    ['pools', 'add', 'p', 'a'],
    ['trace', 'x', '--room', 'tea'],
  ]) {
    const refused = await runProcess(t, [...args, '--url', url])
    assert.notEqual(refused.code, 0)
    assert.match(refused.errors + refused.output, /token|unauthenticated/, args.join(' '))
    const { code, errors } = await runProcess(t, [...args, '--url', url], token)
    if (args[0] === 'trace') assert.match(errors, /there is no message x/)
    else assert.equal(code, 0, errors)
  }
})

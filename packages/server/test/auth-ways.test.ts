// Every way in, with good tokens and with forged ones. Nothing of any token is logged or said.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { forgedForPublicKey, forgedTokens, goodClaims, rules } from '../testing/forged-tokens.ts'
import { startProcess } from '../testing/process.ts'
import { connect, type Started, start, temporaryFolder } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'
import { pem, rsa, secret, token } from '../testing/tokens.ts'

const options = { authMode: 'jwt', authAudience: rules.audience, authIssuer: rules.issuer, connectionsPerUser: 0 }

/** A server to talk to, in this process or in another. */
type Place = Pick<Started, 'connect'> & {
  readonly server: { readonly url: string; readonly socketPort: number | undefined }
}

type Way = (place: Place, given: string) => Promise<string>

/** The answer to a request: its status, a blank, its text. Header values may be anything that fits in a line. */
function get(url: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, agent: false }, (response) => {
      const stream = response.headers['content-type']?.startsWith('text/event-stream') === true
      let text = `${response.statusCode} `
      if (stream) resolve(text)
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
      if (stream) response.destroy()
    })
    asked.on('error', reject).end()
  })
}

function ways(t: TestContext): Readonly<Record<string, Way>> {
  const opened = async (client: Promise<{ close(): void }>): Promise<string> => {
    const one = await client.catch((error: Error) => error)
    if (one instanceof Error) return one.message
    one.close()
    return '101 '
  }
  return {
    'Authorization over HTTP': ({ server }, given) => get(`${server.url}/rooms`, { authorization: `Bearer ${given}` }),
    'Authorization on a stream': ({ server }, given) =>
      get(`${server.url}/task?batchsize=1`, { authorization: `Bearer ${given}` }),
    'Authorization on an upgrade': ({ connect }, given) =>
      opened(connect('/ws', { headers: { authorization: `Bearer ${given}` } })),
    'Authorization on the relay': ({ connect }, given) =>
      opened(connect('/relay', { headers: { authorization: `Bearer ${given}` } })),
    'a subprotocol': ({ connect }, given) =>
      opened(connect('/ws', { protocols: ['nitka.rpc.v1', `nitka.token.${given}`] })),
    'session.hello': async ({ connect }, given) => {
      const client = await connect('/ws', { protocols: ['nitka.rpc.v1'] })
      const said = await client.call('session.hello', { token: given }).then(
        ({ user }) => `200 ${user}`,
        (error) => `${error.code === 'unauthenticated' || error.code === 'invalid' ? 401 : 500} ${error.message}`,
      )
      client.close()
      return said
    },
    'session.hello over TCP': async ({ server }, given) => {
      const client = await TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
      client.send({ jsonrpc: '2.0', id: 1, method: 'session.hello', params: { token: given } }, '\n')
      await client.until(() => client.values.length > 0, 'an answer')
      const [{ result, error }] = client.values
      client.socket.destroy()
      return error === undefined ? `200 ${result.user}` : `401 ${error.data.code} ${error.message}`
    },
  }
}

function silentOn(given: string, said: string, where: string): void {
  for (const part of given.split('.')) {
    if (part.length > 4) assert.ok(!said.includes(part), `${where} repeats the token: ${said.slice(0, 300)}`)
  }
}

const good = () => ({ ...goodClaims(Date.now()), nitka: ['user', 'tasks.work'] })

for (const [what, config, tokens, forged] of [
  ['a shared secret', { authSecret: secret }, () => token(good()), forgedTokens],
  [
    'a public key',
    { authPublicKey: pem(rsa) },
    () => token(good(), { alg: 'RS256' }, rsa.privateKey),
    forgedForPublicKey,
  ],
] as const) {
  test(`with ${what} a good token is taken on every way in, and no forged one on any`, async (t) => {
    const started = await start(t, { ...options, ...config, logLevel: 'fatal', helloMs: 60_000 })
    for (const [name, way] of Object.entries(ways(t))) {
      assert.match(await way(started, tokens()), /^(101|200) /, name)
      const list = Object.entries(forged(Date.now()))
      for (const [wrong, given] of list) {
        const said = await way(started, given)
        assert.match(said, /^401 /, `${name}: ${wrong}: ${said}`)
        silentOn(given, said, `${name}: ${wrong}`)
      }
      const huge = token({ ...good(), x: 'x'.repeat(9_000) })
      assert.match(await way(started, huge), /^4(01|31) /, name)
    }
    const metrics = await get(`${started.server.url}/metrics`, {
      authorization: `Bearer ${'authSecret' in config ? token({ ...good(), nitka: ['*'] }) : token({ ...good(), nitka: ['*'] }, { alg: 'RS256' }, rsa.privateKey)}`,
    })
    const [, refused] = /^nitka_tokens_refused_total (\d+)$/m.exec(metrics) ?? []
    assert.ok(Number(refused) >= Object.keys(forged(0)).length * 6, refused)
  })
}

for (const [what, flags] of [
  ['a shared secret', ['--auth-secret', secret]],
  ['keys that cannot be fetched', ['--auth-jwks-url', 'http://127.0.0.1:9/keys']],
] as const) {
  test(`with ${what} no token and no ticket gets into a log line or a metric, whatever becomes of it`, async (t) => {
    const { audience, issuer } = rules
    const all = ['--auth-mode', 'jwt', '--auth-audience', audience, '--auth-issuer', issuer, '--log-level', 'trace']
    const running = await startProcess(t, await temporaryFolder(t), [...all, ...flags])
    const { url } = running
    const socketPort = Number(/TCP at \S+:(\d+)/.exec(running.output())?.[1])
    const place: Place = { server: { url, socketPort }, connect: (path, more) => connect(t, url, path, more) }
    const used = [token(good()), token({ ...good(), exp: 1 }), token(good(), {}, 'x')]
    for (const given of used) for (const way of Object.values(ways(t))) await way(place, given)
    const authorization = `Bearer ${used[0]}`
    const answer = await fetch(`${url}/tickets`, { method: 'POST', headers: { authorization } })
    const { ticket = 'dGlja2V0IHRpY2tldA' } = (await answer.json()) as { ticket?: string }
    for (const path of ['/nothing', '/rooms', '/%E0', '/metrics', '/task', '/trace/x']) {
      const said = await get(`${url}${path}?ticket=${ticket}&room=x`, {})
      assert.ok(!said.includes(ticket), said)
    }
    for (const path of ['/nothing', '/ws', '/relay']) {
      await place
        .connect(`${path}?ticket=${ticket}`)
        .catch((error: Error) => assert.ok(!error.message.includes(ticket)))
    }
    const metrics = await get(`${url}/metrics`, { authorization: `Bearer ${token({ ...good(), nitka: ['*'] })}` })
    running.child.kill('SIGTERM')
    assert.equal(await running.exited, 0)
    const text = running.output() + running.errors() + metrics
    for (const given of used) silentOn(given, text, 'a log line or metric')
    assert.ok(!text.includes(ticket) && !text.includes(secret))
    if (what !== 'a shared secret') assert.match(text, /"level":40,.*authJwksUrl could not be fetched/)
  })
}

test('a token in a subprotocol is never echoed, and plain clients have a subprotocol of their own', async (t) => {
  const { connect } = await start(t, { ...options, authSecret: secret })
  const given = `nitka.token.${token(good())}`
  const rpc = await connect('/ws', { protocols: [given, 'nitka.rpc.v1'] })
  assert.equal(rpc.ws.protocol, 'nitka.rpc.v1')
  assert.equal((await rpc.call('session.hello')).user, 'anna')
  const plain = await connect('/ws', { protocols: [given, 'nitka.plain.v1'] })
  assert.equal(plain.ws.protocol, 'nitka.plain.v1')
  plain.send('heartbeat')
  assert.deepEqual(await plain.take(1), ['heartbeat'])
  await assert.rejects(connect('/relay', { protocols: [given] }), /no subprotocol/)
})

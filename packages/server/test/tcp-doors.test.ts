// Where the TCP port is: a Unix socket, and a port that speaks TLS.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { eventually } from '../testing/eventually.ts'
import { start, temporaryFolder } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

const address = ({ socketPort }: { readonly socketPort: number | undefined }) => ({
  port: socketPort ?? 0,
  host: '127.0.0.1',
})

test('requests are taken on a Unix socket that only its owner may use', async (t) => {
  const path = join(await temporaryFolder(t), 'nitka.sock')
  const { server } = await start(t, { socketHost: path })
  server.requests.handle('echo', (payload) => payload)
  const client = await TcpClient.open(t, { path })
  assert.equal(await client.call('echo', 1, 'hi'), 'hi')
  assert.equal(server.socketPort, 0)
})

test('with a certificate the port speaks TLS and nothing else, and one that cannot be read is named', async (t) => {
  const file = (name: string) => new URL(`../testing/tls/${name}.pem`, import.meta.url).pathname
  const { server } = await start(t, { socketCert: file('cert'), socketKey: file('key') })
  server.requests.handle('echo', (payload) => payload)
  const socket = connectTls({ ...address(server), rejectUnauthorized: false })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  const client = new TcpClient(socket)
  assert.equal(await client.call('echo', 1, 'secret'), 'secret')
  const bare = await TcpClient.open(t, address(server))
  bare.ask('echo', 1)
  await bare.until(() => bare.closed, 'the end')
  await assert.rejects(start(t, { socketCert: file('none'), socketKey: file('key') }), /certificate cannot be read/)
})

test('whoever begins TLS and says nothing more is cut off in time', async (t) => {
  const file = (name: string) => new URL(`../testing/tls/${name}.pem`, import.meta.url).pathname
  const { server } = await start(t, { socketCert: file('cert'), socketKey: file('key'), helloMs: 500 })
  const silent = await TcpClient.open(t, address(server))
  await silent.until(() => silent.closed, 'the end')
})

test('who ends after the last value is heard out, though reading them was held back', async (t) => {
  const { server } = await start(t, { socketUnanswered: 4 })
  const waiting: ((result: unknown) => void)[] = []
  server.requests.handle('slow', () => new Promise((resolve) => waiting.push(resolve)), { concurrency: 100 })
  const client = new TcpClient(connect({ ...address(server), allowHalfOpen: true }))
  t.after(() => client.socket.destroy())
  client.socket.end(Array.from({ length: 50 }, (_, i) => `{"type":"slow","queryIndex":${i}}\n`).join(''))
  await eventually(() => waiting.length === 50, 'all to be begun')
  for (const answer of waiting) answer('done')
  await client.until(() => client.closed, 'the end')
  assert.equal(client.values.length, 50)
})

test('a peer that does not close after us is cut off, and not heard meanwhile', async (t) => {
  const { server } = await start(t, { pongMs: 50, socketUnanswered: 1 })
  server.requests.handle('never', () => new Promise(() => undefined))
  const held = (socket: TcpClient): void => socket.send('{"type":"never","queryIndex":1}', '\n')
  const unreadable = (socket: TcpClient): void => socket.send('GET / HTTP/1.1', '\n')
  for (const begin of [held, unreadable]) {
    const client = new TcpClient(connect({ ...address(server), allowHalfOpen: true }))
    t.after(() => client.socket.destroy())
    begin(client)
    await eventually(() => server.registry.size === 1 || client.values.length === 1, 'it to be taken')
    for (const session of server.registry.sessions) session.close('restart')
    await eventually(() => {
      client.send('{"type":"ping","queryIndex":2}', '\n')
      return client.closed
    }, 'the cut')
    assert.equal(client.values.filter(({ type }) => type === 'ping').length, 0)
  }
})

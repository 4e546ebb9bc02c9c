// Who reads nothing is closed, and the closing is not waited for by who reads nothing either.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { opened, RawSocket } from '../testing/raw.ts'
import { start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

/** More than the kernel keeps for both ends together. */
const answers = 40
const large = 'x'.repeat(400_000)
const partBytes = 5_000_000
const limits = { stallMs: 1_000, pongMs: 300 }

test('a connection over TCP that reads nothing is gone in the end, with what was written for it', async (t) => {
  const { server } = await start(t, limits)
  server.requests.handle('large', () => large)
  const client = await TcpClient.open(t, { host: '127.0.0.1', port: server.socketPort ?? 0 })
  client.socket.pause()
  for (let index = 1; index <= answers; index++) client.ask('large', index)
  // The kernel of who writes to a connection that is gone says so.
  const gone = (): boolean => {
    if (!client.closed) client.send({ type: 'ping', queryIndex: 0 })
    return client.closed
  }
  await eventually(gone, 'the connection to be gone')
})

test('a stream of tasks that nobody reads is gone in the end, with what was written for it', async (t) => {
  const { server } = await start(t, { ...limits, commentMs: 200, pingMs: 0 })
  const payload = { text: 'x'.repeat(60_000) }
  for (let i = 0; i < 5; i++) await server.tasks.add(Array.from({ length: 50 }, () => ({ payload })))
  const count = promisify(server.http.server.getConnections.bind(server.http.server))
  const raw = new RawSocket(t, server.url)
  await opened(raw)
  raw.socket.pause()
  raw.send(`GET /task?batchsize=250 HTTP/1.1\r\nHost: ${new URL(server.url).host}\r\n\r\n`)
  await eventually(() => server.registry.size === 1, 'the stream')
  await eventually(() => server.registry.size === 0, 'the end of the session')
  await eventually(async () => (await count()) === 0, 'the connection to be gone')
  assert.equal(server.registry.ended.get('tryLater'), 1)
})

test('who asks over HTTP and reads no answer is gone in the end, and who reads slowly is not', async (t) => {
  const clock = new SimulatedClock()
  const { server } = await start(t, { stallMs: 500 }, { world: stillWorld(clock) })
  server.requests.handle('large', () => large)
  const count = promisify(server.http.server.getConnections.bind(server.http.server))
  const { host } = new URL(server.url)
  const body = '{"payload":1}'
  const ask = `POST /requests/large HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const raw = new RawSocket(t, server.url)
  await opened(raw)
  raw.socket.pause()
  raw.send(ask.repeat(answers))
  await eventually(async () => (await count()) === 1, 'the connection')
  const gone = async (): Promise<boolean> => {
    clock.advance(500)
    return (await count()) === 0
  }
  await eventually(gone, 'the connection to be gone')

  const slow = new RawSocket(t, server.url)
  await opened(slow)
  let bytes = 0
  slow.onBytes = (data) => {
    // Between one look and the next it takes a part.
    if (Math.floor((bytes + data.length) / partBytes) > Math.floor(bytes / partBytes)) clock.advance(500)
    bytes += data.length
    slow.socket.pause()
    setTimeout(() => slow.socket.resume(), 5)
  }
  slow.send(ask.repeat(answers))
  await eventually(() => bytes > answers * large.length, 'all answers')
})

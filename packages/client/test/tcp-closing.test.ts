// How a client over TCP ends, and what it says of why it is not let in.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { connect } from '../src/tcp.ts'

async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Answers the greeting and reads nothing more. */
function deaf(socket: Socket): void {
  socket.once('data', (chunk) => {
    const { id } = JSON.parse(String(chunk))
    socket.pause()
    socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: { session: 's', user: '', pingMs: 0 } })}\n`)
  })
}

test('a program that closes its client ends, though the server reads nothing or is not reached', async (t) => {
  const program = new URL('../testing/closing-process.ts', import.meta.url).pathname
  const run = promisify(execFile)
  const url = await listen(t, deaf)
  await run(process.execPath, [program, url, 'live'], { timeout: 20_000 })
  // An address that nobody answers from (RFC 5737).
  await run(process.execPath, [program, 'tcp://192.0.2.1:9', 'connecting'], { timeout: 20_000 })
})

test('who is not let in is told why', async (t) => {
  const err = 'this node takes at most 3 connections'
  const url = await listen(t, (socket) => {
    socket.end(`${JSON.stringify({ type: 'errMsgFromClient', queryIndex: 0, resultJob: { err } })}\n`)
  })
  const nitka = connect(url)
  t.after(() => nitka.close())
  const why = await new Promise<string | undefined>((resolve) => {
    nitka.on('state', ({ error }) => error && resolve(error.message))
  })
  assert.equal(why, err)
})

// A relay client that reads nothing while messages flow. Method: messages carry their number; the reader's socket is
// paused, so that its kernel buffers, then the server's, fill; others are asked for every message meanwhile.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../testing/eventually.ts'
import { opcodes } from '../testing/frames.ts'
import { startProcess } from '../testing/process.ts'
import { RawClient } from '../testing/raw.ts'
import { ask, connect, start, temporaryFolder } from '../testing/server.ts'

const messageBytes = 32 * 1024

function numbered(number: number): Buffer {
  const message = Buffer.alloc(messageBytes, number)
  message.writeUInt32BE(number)
  return message
}

function numbersOf(client: RawClient): number[] {
  return client.frames.filter(({ opcode }) => opcode === opcodes.binary).map(({ payload }) => payload.readUInt32BE())
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function ascending(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => i === 0 || number > numbers[i - 1]!)
}

test('who reads nothing misses the oldest and gets the newest, in order; everybody else misses nothing', async (t) => {
  const { connect, server } = await start(t, { retryMs: 20, attempts: 1_000_000 })
  const slow = await RawClient.open(t, server.url, '/relay')
  const [sender, listener] = await Promise.all([connect('/relay'), connect('/relay')])
  slow.pause()
  let largestPool = 0
  const count = 1_500
  for (let number = 0; number < count; number++) {
    sender.send(numbered(number))
    const { bytes, messages } = server.relay.waiting()
    largestPool = Math.max(largestPool, bytes)
    assert.ok(bytes <= 2 ** 20 && messages <= 1_024, `${messages} messages and ${bytes} bytes wait`)
    if (number % 10 < 9) continue
    for (const [i, message] of (await listener.take(10)).entries()) {
      assert.equal((message as Buffer).readUInt32BE(), number - 9 + i)
    }
  }
  assert.ok(largestPool > 2 ** 20 - 2 * messageBytes, 'the pool was full')
  slow.resume()
  await slow.until(() => numbersOf(slow).at(-1) === count - 1, 'the newest message')
  const got = numbersOf(slow)
  assert.ok(ascending(got), 'in order, none twice')
  const waited = 2 ** 20 / messageBytes - 1
  assert.deepEqual(
    got.slice(-waited),
    Array.from({ length: waited }, (_, i) => count - waited + i),
    'the newest without a gap',
  )
  const { relay } = server
  assert.ok(relay.dropped['pool-bytes'] > 0)
  assert.equal(got.length + sum(relay.dropped), count, 'for the slow one: got or dropped')
  assert.equal(relay.delivered + sum(relay.dropped), 2 * count, 'for all: delivered or dropped')
  sender.send('fence')
  await slow.until(() => slow.texts.at(-1) === 'fence', 'what is sent after it caught up')
})

test('what waits too long for a reader is dropped by its attempts, and what comes later still arrives', async (t) => {
  const { connect, server } = await start(t, { retryMs: 10, attempts: 10 })
  const slow = await RawClient.open(t, server.url, '/relay')
  const [sender, listener] = await Promise.all([connect('/relay'), connect('/relay')])
  slow.pause()
  let number = 0
  while (server.relay.waiting().messages < 5) {
    for (let i = 0; i < 20; i++) sender.send(numbered(number++))
    await listener.take(20)
  }
  const { relay } = server
  await eventually(() => relay.waiting().messages === 0, 'the pool to give up')
  assert.ok(relay.dropped.attempts > 0)
  slow.resume()
  sender.send(numbered(number++))
  await slow.until(() => numbersOf(slow).at(-1) === number - 1, 'what came later')
  assert.equal(numbersOf(slow).length + sum(relay.dropped), number)
})

test('six seconds of nothing cost the server little memory and the others nothing', async (t) => {
  const { url } = await startProcess(t, await temporaryFolder(t))
  const metrics = async (): Promise<Record<string, number>> => {
    const { body } = await ask(url, 'GET', '/metrics')
    const lines = (body as string).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return Object.fromEntries(lines.map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
  }
  const slow = await RawClient.open(t, url, '/relay')
  const [sender, listener] = await Promise.all([connect(t, url, '/relay'), connect(t, url, '/relay')])
  for (let i = 0; i < 50; i++) sender.send(numbered(i))
  await listener.take(50)
  const base = (await metrics()).process_resident_memory_bytes!
  slow.pause()
  const start = performance.now()
  let number = 50
  let peak = 0
  while (performance.now() - start < 6_000 || number <= 1_000) {
    for (let i = 0; i < 10; i++) sender.send(numbered(number++))
    const took = await listener.take(10)
    assert.deepEqual(
      took.map((message) => (message as Buffer).readUInt32BE()),
      Array.from({ length: 10 }, (_, i) => number - 10 + i),
    )
    if (number % 500 === 0) {
      const seen = await metrics()
      peak = Math.max(peak, seen.process_resident_memory_bytes!)
      assert.ok(seen.nitka_relay_pool_bytes! <= 2 ** 20)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(peak - base < 128 * 2 ** 20, `grew by ${Math.round((peak - base) / 2 ** 20)} MiB`)
  slow.resume()
  await slow.until(() => numbersOf(slow).at(-1) === number - 1, 'the newest message')
  const got = numbersOf(slow)
  assert.ok(ascending(got))
  const seen = await metrics()
  const dropped = Object.entries(seen).filter(([name]) => name.startsWith('nitka_relay_dropped_total'))
  assert.equal(got.length + sum(Object.fromEntries(dropped)), number)
})

// What travels, byte by byte. Messages are written past the sender of the WebSocket library, which itself writes pings,
// pongs and goodbyes: these must never cut into each other. `RawClient` refuses whatever is no valid stream of frames.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { clientFrame, opcodes } from '../testing/frames.ts'
import { goodbyeOf, RawClient } from '../testing/raw.ts'
import { start } from '../testing/server.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Sizes on both sides of every length of a frame's head, and of what a socket takes at once. */
const sizes = [4, 100, 121, 122, 5_000, 65_531, 65_532, 60_000, 30]

function numbersOf(client: RawClient): number[] {
  return client.frames.filter(({ opcode }) => opcode === opcodes.binary).map(({ payload }) => payload.readUInt32BE())
}

for (const reads of ['at once', 'now and then']) {
  test(`pings, pongs, messages and the goodbye never cut into each other, for who reads ${reads}`, async (t) => {
    const clock = new SimulatedClock()
    const { connect, server } = await start(t, {}, { world: stillWorld(clock) })
    const client = await RawClient.open(t, server.url, '/relay')
    const [sender, listener] = await Promise.all([connect('/relay'), connect('/relay')])
    let pings = 0
    let stopped: Promise<void> | undefined
    for (let number = 0; !client.raw.over; number++) {
      const message = Buffer.alloc(sizes[number % sizes.length]!, number)
      message.writeUInt32BE(number)
      sender.send(message)
      if (number % 50 === 0 && stopped === undefined) client.send(opcodes.ping, `${pings++}`)
      if (number % 70 === 0) for (const session of server.registry.sessions) session.wire.ping()
      if (reads === 'now and then' && number % 700 === 0) client.pause()
      if (reads === 'now and then' && number % 700 === 600) client.resume()
      if (number % 20 === 19) await (stopped === undefined ? listener.take(20) : turn())
      if (number === 1_400) {
        client.resume()
        // The traffic goes on until the goodbye has come.
        stopped = server.stop(3_000)
      }
      // It goes first: the others keep their places until it has gone.
      if (number === 1_500) clock.advance(500)
    }
    sender.terminate()
    listener.terminate()
    await stopped
    const { frames } = client
    assert.equal(client.left, 0, 'no frame is cut off')
    assert.equal(client.closeCode, 1012)
    assert.equal(frames.at(-1)?.opcode, opcodes.close)
    const pongs = frames.filter(({ opcode }) => opcode === opcodes.pong).map(({ payload }) => payload.toString())
    assert.deepEqual(
      pongs,
      Array.from({ length: pings }, (_, i) => `${i}`),
    )
    assert.ok(frames.filter(({ opcode }) => opcode === opcodes.ping).length >= 20)
    const numbers = numbersOf(client)
    assert.ok(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!))
    assert.ok(frames.every(({ fin }) => fin))
    for (const { opcode, payload } of frames) {
      if (opcode !== opcodes.binary) continue
      const number = payload.readUInt32BE()
      assert.equal(payload.length, sizes[number % sizes.length])
      assert.ok(payload.subarray(4).equals(Buffer.alloc(payload.length - 4, number)))
    }
    if (reads === 'at once') assert.ok(numbers.length >= 1_400)
  })
}

test('nothing follows the goodbye when the client says it first, in the middle of the traffic', async (t) => {
  const { connect, server } = await start(t)
  const [sender, listener] = await Promise.all([connect('/relay'), connect('/relay')])
  for (let round = 0; round < 20; round++) {
    const client = await RawClient.open(t, server.url, '/relay')
    for (let n = 0; n < 20; n++) {
      sender.send(Buffer.alloc(20_000))
      if (n === 10) client.send(opcodes.close, Buffer.from([0x03, 0xe8]))
    }
    await listener.take(20)
    await client.raw.ended
    assert.equal(client.closeCode, 1000)
    assert.equal(client.left, 0)
  }
  await eventually(() => server.registry.size === 2, 'the others to be gone')
})

test('nothing follows the goodbye to a client that broke the rules, however long it stays', async (t) => {
  const { connect, server } = await start(t, { pongMs: 200 })
  const [sender, listener] = await Promise.all([connect('/relay'), connect('/relay')])
  const client = await RawClient.open(t, server.url, '/relay')
  client.send(opcodes.continuation, 'of nothing')
  while (!client.raw.over) {
    for (let n = 0; n < 20; n++) sender.send('more')
    await listener.take(20)
  }
  assert.equal(client.closeCode, 1002)
  assert.equal(client.left, 0)
})

test('a client that breaks the rules of frames is told so and ended, and harms nobody', async (t) => {
  const { connect, server } = await start(t)
  const [a, b] = await Promise.all([connect('/relay'), connect('/relay')])
  const unmasked = Buffer.from([0x81, 0x02, 0x68, 0x69])
  const reserved = clientFrame(opcodes.text, 'hi')
  reserved[0]! |= 0x40
  const padded = Buffer.concat([Buffer.from([0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0]), Buffer.alloc(126)])
  const cases: [string, Buffer, number][] = [
    ['an unmasked frame', unmasked, 1002],
    ['compressed, though nobody agreed to it', reserved, 1002],
    ['an opcode that is none', clientFrame(3, 'hi'), 1002],
    ['a ping that is too long', padded, 1002],
    ['a ping in pieces', clientFrame(opcodes.ping, 'hi', false), 1002],
    ['a continuation of nothing', clientFrame(opcodes.continuation, 'hi'), 1002],
    ['a close code that is none', clientFrame(opcodes.close, Buffer.from([0, 1])), 1002],
    ['a close frame of one byte', clientFrame(opcodes.close, Buffer.from([3])), 1002],
    [
      'a message in 33 pieces',
      Buffer.concat(
        Array.from({ length: 33 }, (_, i) => clientFrame(i === 0 ? opcodes.text : opcodes.continuation, 'x', false)),
      ),
      1008,
    ],
    [
      'a message within a message',
      Buffer.concat([clientFrame(opcodes.text, 'x', false), clientFrame(opcodes.text, 'y')]),
      1002,
    ],
  ]
  for (const [what, bytes, code] of cases) {
    const client = await RawClient.open(t, server.url, '/relay')
    client.raw.send(bytes)
    assert.equal(await goodbyeOf(client), code, what)
  }
  a.send('fence')
  assert.deepEqual(await b.take(1), ['fence'])
})

test('who speaks rpc is never answered with a subprotocol other than the one it offered for that', async (t) => {
  const { server } = await start(t)
  const offers: [string, string | undefined][] = [
    ['nitka.rpc.v1', 'nitka.rpc.v1'],
    ['token.abc, nitka.rpc.v1', 'nitka.rpc.v1'],
    ['token.abc', undefined],
    ['constructor, __proto__', undefined],
  ]
  for (const [offer, expected] of offers) {
    let head = ''
    const client = await RawClient.open(t, server.url, '/ws?user=anna', [`Sec-WebSocket-Protocol: ${offer}`])
    head = client.raw.text
    assert.equal(/sec-websocket-protocol: (.*)\r/i.exec(head)?.[1], expected, offer)
    assert.ok(!head.includes('abc'))
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientFrame, opcodes } from '../testing/frames.ts'
import { goodbyeOf, RawClient } from '../testing/raw.ts'
import { start } from '../testing/server.ts'

test('a frame goes unchanged, text or binary, to all others of the channel and never to its sender', async (t) => {
  const { connect } = await start(t)
  const [a, b, c] = await Promise.all([connect('/relay'), connect('/relay'), connect('/relay')])
  const other = await connect('/relay/other')
  a.send('hello')
  a.send(Buffer.from([0, 255, 1]))
  for (const client of [b, c]) assert.deepEqual(await client.take(2), ['hello', Buffer.from([0, 255, 1])])
  b.send('fence')
  assert.deepEqual(await a.take(1), ['fence'])
  const another = await connect('/relay/other')
  another.send('fence')
  assert.deepEqual(await other.take(1), ['fence'])
})

test('frames of every kind keep their bytes, their opcode and their order, empty ones too', async (t) => {
  const { connect } = await start(t)
  const [a, b] = await Promise.all([connect('/relay'), connect('/relay')])
  const sent: (string | Buffer)[] = ['', Buffer.alloc(0), 'é🦀\u0000\r\n', '{"not":"parsed"', Buffer.from('text?')]
  for (const length of [1, 125, 126, 127, 4_096, 65_535]) {
    sent.push('x'.repeat(length), Buffer.alloc(length, length))
  }
  for (const message of sent) a.send(message)
  assert.deepEqual(await b.take(sent.length), sent)
})

test('clients that all send at once each get exactly the messages of the others, each sender’s in order', async (t) => {
  const { connect, server } = await start(t)
  const [clientCount, each] = [5, 400]
  const clients = await Promise.all(Array.from({ length: clientCount }, () => connect('/relay')))
  for (let n = 0; n < each; n++) for (const [from, client] of clients.entries()) client.send(`${from} ${n}`)
  for (const [me, client] of clients.entries()) {
    const got = (await client.take(each * (clientCount - 1))).map((message) =>
      message.toString().split(' ').map(Number),
    )
    for (let from = 0; from < clientCount; from++) {
      const numbers = got.filter(([sender]) => sender === from).map(([, number]) => number)
      assert.deepEqual(numbers, from === me ? [] : Array.from({ length: each }, (_, n) => n), `${from} to ${me}`)
    }
  }
  assert.equal(server.relay.delivered, clientCount * each * (clientCount - 1))
})

test('a message that a client sends in pieces arrives as one, with a ping between the pieces', async (t) => {
  const { connect, server } = await start(t)
  const listener = await connect('/relay')
  const sender = await RawClient.open(t, server.url, '/relay')
  sender.send(opcodes.text, 'one, ', false)
  sender.send(opcodes.ping, 'are you there?')
  sender.send(opcodes.continuation, 'two, ', false)
  sender.send(opcodes.continuation, 'three')
  assert.deepEqual(await listener.take(1), ['one, two, three'])
  await sender.until(() => sender.frames.length > 0, 'a pong')
  assert.deepEqual(sender.frames, [{ fin: true, opcode: opcodes.pong, payload: Buffer.from('are you there?') }])
})

test('a message that arrives byte by byte is a message like any other', async (t) => {
  const { connect, server } = await start(t)
  const listener = await connect('/relay')
  const sender = await RawClient.open(t, server.url, '/relay')
  sender.raw.socket.setNoDelay(true)
  for (const byte of clientFrame(opcodes.binary, Buffer.from([1, 2, 3]))) {
    await new Promise((resolve) => sender.raw.socket.write(Uint8Array.of(byte), resolve))
  }
  assert.deepEqual(await listener.take(1), [Buffer.from([1, 2, 3])])
})

test('a message of exactly the limit passes; one byte more ends its sender alone, with 1009', async (t) => {
  const { connect } = await start(t)
  const [a, b, c] = await Promise.all([connect('/relay'), connect('/relay'), connect('/relay')])
  const largest = Buffer.alloc(65_536, 7)
  a.send(largest)
  for (const client of [b, c]) assert.deepEqual(await client.take(1), [largest])
  a.send(Buffer.alloc(65_537, 7))
  a.send('never read')
  assert.deepEqual(await a.closed, { code: 1009, reason: 'a message may have at most 65536 bytes' })
  b.send('fence')
  assert.deepEqual(await c.take(1), ['fence'])
  c.send('fence')
  assert.deepEqual(await b.take(1), ['fence'])
})

test('a frame larger than the transport reads, whole or in pieces, ends its sender alone, with 1009', async (t) => {
  const { connect, server } = await start(t)
  const [b, c] = await Promise.all([connect('/relay'), connect('/relay')])
  const whole = await RawClient.open(t, server.url, '/relay')
  const announced = clientFrame(opcodes.binary, Buffer.alloc(2 ** 20 + 1))
  whole.raw.send(announced.subarray(0, 14))
  assert.equal(await goodbyeOf(whole), 1009, 'refused by the length that it announces, before it comes')
  const pieces = await RawClient.open(t, server.url, '/relay')
  for (let i = 0; i < 3; i++) pieces.send(i === 0 ? opcodes.binary : opcodes.continuation, Buffer.alloc(400_000), false)
  assert.equal(await goodbyeOf(pieces), 1009)
  b.send('fence')
  assert.deepEqual(await c.take(1), ['fence'])
})

test('a text that is not UTF-8 ends its sender alone, with 1007', async (t) => {
  const { connect, server } = await start(t)
  const [b, c] = await Promise.all([connect('/relay'), connect('/relay')])
  for (const text of [Buffer.from([0xff, 0xfe]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf0, 0x9f, 0xa6])]) {
    const sender = await RawClient.open(t, server.url, '/relay')
    sender.send(opcodes.text, text)
    assert.equal(await goodbyeOf(sender), 1007)
  }
  b.send('fence')
  assert.deepEqual(await c.take(1), ['fence'])
})

test('who leaves gets nothing more and harms nobody, also in the middle of the traffic', async (t) => {
  const { connect, server } = await start(t)
  const [a, b] = await Promise.all([connect('/relay'), connect('/relay')])
  for (let round = 0; round < 10; round++) {
    const [polite, rude] = await Promise.all([connect('/relay'), connect('/relay')])
    for (let n = 0; n < 20; n++) a.send(`${round} ${n}`)
    polite.close()
    rude.terminate()
    const expected = Array.from({ length: 20 }, (_, n) => `${round} ${n}`)
    assert.deepEqual(await b.take(20), expected)
    await Promise.all([polite.closed, rude.closed])
  }
  b.send('fence')
  assert.deepEqual(await a.take(1), ['fence'])
  assert.equal(server.relay.channels, 1)
})

test('a name like a property of every object is an ordinary channel', async (t) => {
  const { connect, server } = await start(t)
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '-', '0', 'a'.repeat(128)]) {
    const [a, b] = await Promise.all([connect(`/relay/${name}`), connect(`/relay/${name}`)])
    a.send(name)
    assert.deepEqual(await b.take(1), [name])
    b.send('fence')
    assert.deepEqual(await a.take(1), ['fence'], 'nothing came back, nothing came from another channel')
  }
  assert.equal(server.relay.channels, 7)
  assert.equal(({} as any).channel, undefined)
})

test('a name that is none is refused with a problem that says what is allowed', async (t) => {
  const { connect } = await start(t)
  const refusal = async (path: string) => {
    const error = await connect(path).then(
      () => assert.fail(`${path.slice(0, 40)} was taken`),
      (thrown: Error) => thrown.message,
    )
    return [Number(error.slice(0, 3)), JSON.parse(error.slice(4)).code]
  }
  for (const name of ['..%2f..', '%00', 'a%00b', 'a.b', 'a*', '%3E', 'a%20b', '%C3%A9', '%', '%ff', 'a'.repeat(129)]) {
    assert.deepEqual(await refusal(`/relay/${name}`), [400, 'invalid'], name)
  }
  assert.deepEqual(await refusal(`/relay/${'a'.repeat(5_000)}`), [400, 'invalid'])
  assert.deepEqual(await refusal(`/relay/${'a'.repeat(10_000)}`), [431, 'too-large'])
  for (const path of ['/relay/a/b', '/relay/a/', '/relays', '/', '/relay%2fa', '/__proto__']) {
    assert.deepEqual(await refusal(path), [404, 'not-found'], path)
  }
})

test('a path that climbs is the path that it means, nothing else', async (t) => {
  const { connect, server } = await start(t)
  const plain = await connect('/relay')
  const climbing = await RawClient.open(t, server.url, '/relay/x/../../relay')
  climbing.send(opcodes.text, 'same channel')
  assert.deepEqual(await plain.take(1), ['same channel'])
})

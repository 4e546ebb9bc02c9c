// Direct messages while connections come, go and die: nothing is lost, and each connection sees them in order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../testing/client.ts'
import { eventually } from '../testing/eventually.ts'
import { clientFrame, opcodes } from '../testing/frames.ts'
import { RawClient } from '../testing/raw.ts'
import { type Started, start } from '../testing/server.ts'

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
}

/** Fractions from a seed, so that a failing run can be repeated. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** Sends 1…`total` from a to b, some at a time. */
async function pump({ server }: Started, total: number, padding = ''): Promise<void> {
  for (let from = 1; from <= total; from += 20) {
    const some = numbers(from, Math.min(total, from + 19))
    await Promise.all(
      some.map((number) => server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: `${number} ${padding}` })),
    )
  }
}

function entriesOf(client: Client): { number: number; offset: number }[] {
  return client.arrived.flatMap((text) => {
    const { message, offset } = JSON.parse(String(text))
    return [{ number: Number.parseInt(message, 10), offset }]
  })
}

function inOrder(got: readonly number[], what: string): void {
  assert.deepEqual(got, numbers(got[0] ?? 1, (got[0] ?? 1) + got.length - 1), what)
}

test('a client that confirms and dies again and again in the middle of the traffic gets every message', async (t) => {
  const started = await start(t)
  const total = 3_000
  const random = chance(20_261_121)
  const pumping = pump(started, total)
  const seen = new Set<number>()
  let confirmed = 0
  let lives = 0
  while (seen.size < total) {
    lives++
    const client = await started.connect('/ws?user=b')
    const enough = 1 + Math.floor(random() * 150)
    await client.until(() => client.arrived.length >= Math.min(enough, total - confirmed), 'some')
    const got = entriesOf(client)
    inOrder(
      got.map(({ number }) => number),
      `life ${lives}`,
    )
    assert.ok((got[0]?.number ?? 0) <= confirmed + 1, 'no gap after what was confirmed')
    const sure = got[Math.floor(random() * got.length)]
    if (sure !== undefined && sure.number > confirmed) {
      client.send({ ack: sure.offset })
      client.send('heartbeat')
      await client.until(() => client.arrived.includes('heartbeat'), 'the fence')
      confirmed = sure.number
      client.arrived.splice(client.arrived.indexOf('heartbeat'), 1)
    }
    for (const { number } of entriesOf(client)) if (number <= confirmed) seen.add(number)
    if (random() < 0.5) client.terminate()
    else client.close()
    // Half of the time the next one comes while this one is still there.
    if (random() < 0.5) await client.closed
  }
  await pumping
  assert.ok(lives > 5, `${lives} lives`)
})

test('eight connections that come together share what is pending: each message to one of them, in order', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  await pump(started, 2_000)
  const clients = await Promise.all(Array.from({ length: 8 }, () => connect('/ws?user=b')))
  await eventually(() => clients.reduce((sum, { arrived }) => sum + arrived.length, 0) >= 2_000, 'all that is pending')
  // The last in the row has its turn when it hears something new.
  let fences = 0
  await eventually(async () => {
    await server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: `${2_000 + ++fences}` })
    return clients.every(({ arrived }) => arrived.length > 0)
  }, 'everybody to be there')
  const last = 2_000 + fences
  await Promise.all(clients.map((client) => client.until(() => entriesOf(client).at(-1)?.number === last, 'the fence')))
  const got = clients.map((client) => entriesOf(client).map(({ number }) => number))
  for (const one of got) inOrder(one, 'one connection')
  assert.deepEqual(
    got.flat().filter((number) => number <= 2_000),
    numbers(1, 2_000),
  )
})

test('a receiver that stops reading and is destroyed leaves what was not written to the next', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  const total = 800
  await pump(started, total, 'x'.repeat(20_000))
  const deaf = await RawClient.open(t, server.url, '/ws?user=b')
  await deaf.until(() => deaf.texts.length > 0, 'something')
  deaf.pause()
  const [session] = server.registry.of('b')
  await eventually(() => session?.hasRoom === false, 'a full outbox')
  const bytes = session?.outboxBytes ?? 0
  assert.ok(bytes < 2 ** 20 + 2 ** 19, `${bytes} bytes waited`)
  deaf.raw.socket.destroy()
  const next = await connect('/ws?user=b')
  await next.until(() => entriesOf(next).at(-1)?.number === total, 'the last')
  const got = entriesOf(next).map(({ number }) => number)
  inOrder(got, 'the rest')
  assert.ok(got.length > 0 && got.length < total, `${got.length} came again`)
})

test('5,000 messages for somebody who reads nothing cost little, and come in order when they read', async (t) => {
  const started = await start(t)
  const { connect, server } = started
  const sleeper = await connect('/ws?user=b')
  sleeper.pause()
  let most = 0
  const total = 5_000
  const pumping = pump(started, total, 'x'.repeat(1_000))
  let pumped = false
  void pumping.then(() => {
    pumped = true
  })
  await eventually(() => {
    for (const { outboxBytes } of server.registry.sessions) most = Math.max(most, outboxBytes)
    return pumped
  }, 'all to be sent')
  assert.ok(most < 2 ** 20 + 2 ** 18, `${most} bytes waited`)
  sleeper.resume()
  await sleeper.until(() => sleeper.arrived.length === total, 'all')
  assert.deepEqual(
    entriesOf(sleeper).map(({ number, offset }) => [number, offset]),
    numbers(1, total).map((number) => [number, number]),
  )
})

test('sizes are exact to the byte, and a frame over a mebibyte ends the connection with 1009', async (t) => {
  const { connect, server } = await start(t)
  const anna = await connect('/ws?user=a')
  const say = (message: unknown) => ({ fromUser: 'a', toUser: 'b', message })
  const fitting: unknown[] = [
    'x'.repeat(65_536),
    'é'.repeat(32_768),
    '😀'.repeat(16_384),
    '"'.repeat(65_536),
    '\u0001'.repeat(65_536),
    ['x'.repeat(65_532)],
  ]
  const over: unknown[] = [
    'x'.repeat(65_537),
    `${'é'.repeat(32_767)}€`,
    ['x'.repeat(65_533)],
    { a: 'x'.repeat(65_536) },
  ]
  for (const message of fitting) {
    anna.send(say(message))
    assert.deepEqual(await anna.take(1), ['ok'])
  }
  for (const message of over) {
    anna.send(say(message))
    assert.match(String((await anna.take(1))[0]), /^error: message is \d+ bytes, at most 65536/)
  }
  const bert = await connect('/ws?user=b')
  assert.deepEqual(
    (await bert.jsons(fitting.length)).map(({ message }) => message),
    fitting,
  )
  anna.send(`{"padding":"${'x'.repeat(2 ** 20)}"}`)
  assert.equal((await anna.closed).code, 1009)
  const raw = await RawClient.open(t, server.url, '/ws?user=a')
  raw.raw.send(clientFrame(opcodes.text, `{"padding":"${'x'.repeat(2 ** 20)}"}`).subarray(0, 100))
  await raw.until(() => raw.closeCode !== undefined, 'the close frame, before the frame is there')
  assert.equal(raw.closeCode, 1009)
})

test('every field of a message in every wrong form is one error, nothing of it is stored, and both live on', async (t) => {
  const { connect, ask } = await start(t)
  const anna = await connect('/ws?user=anna')
  const bert = await connect('/ws?user=bert')
  const good: Record<string, unknown> = { fromUser: 'anna', toUser: 'bert', message: 'm', id: 'i' }
  const wrong: Record<string, unknown[]> = {
    fromUser: [undefined, null, '', 'bert', 'ANNA', ' anna', 0, 1.5, 1e300, [], {}, true, ['anna'], 'x'.repeat(10_000)],
    toUser: [
      undefined,
      null,
      '',
      1.5,
      -1e300,
      2 ** 53,
      [],
      {},
      false,
      ['bert'],
      'x'.repeat(10_000),
      'a\u0000',
      '\udfff',
    ],
    message: [undefined, null, '', 'x'.repeat(70_000)],
    id: [null, '', 7, [], {}, true, 'x'.repeat(65), 'é'.repeat(33), 'a\nb', '\u0000', '\ud800'],
  }
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      anna.send({ ...good, [field]: value })
      const [answer] = await anna.take(1)
      assert.match(String(answer), new RegExp(`^error: .*${field}`), `${field} ${JSON.stringify(value)?.slice(0, 50)}`)
    }
  }
  for (const user of ['anna', 'bert']) {
    assert.deepEqual((await ask('GET', `/ws/history?user=${user}`)).body.messages, [])
  }
  anna.send(good)
  assert.deepEqual(await anna.take(1), ['ok'])
  assert.equal((await bert.json()).message, 'm')
  assert.deepEqual([anna.arrived, bert.arrived], [[], []])
})

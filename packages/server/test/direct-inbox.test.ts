// Who gets what is pending: several connections of a user, dialects mixed, confirmations, connections that die.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../testing/client.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { changedEngine, type Late, lateStore } from '../testing/late.ts'
import { type Started, start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

/** Sends `from`…`to` to user b, in order. */
async function fill({ server }: Started, from: number, to: number, padding = 0): Promise<void> {
  const message = (number: number) => (padding === 0 ? number : [number, 'x'.repeat(padding)])
  const all = numbers(from, to)
  while (all.length > 0) {
    const some = all.splice(0, 100)
    await Promise.all(
      some.map((number) => server.direct.sendUser({ fromUser: 'a', toUser: 'b', message: message(number) })),
    )
  }
}

function numbersOf(client: Client): number[] {
  return client.arrived.map((text) => [JSON.parse(String(text)).message].flat()[0])
}

async function gone(client: Client, { server }: Started): Promise<void> {
  client.close()
  await client.closed
  await eventually(() => server.direct.inboxes === 0, 'the inbox to be stored')
}

test('a client that comes back may confirm at once what it got before, also while its inbox is being read', async (t) => {
  let late: Late | undefined
  const started = await start(
    t,
    {},
    changedEngine((engine) => {
      late = lateStore(engine.logs)
      return { logs: late.store }
    }),
  )
  await fill(started, 1, 3)
  const first = await started.connect('/ws?user=b')
  await first.take(3)
  await gone(first, started)
  late?.cursors.hold()
  const second = await started.connect('/ws?user=b')
  second.send({ ack: 2 })
  second.send('heartbeat')
  await second.until(() => second.arrived.includes('heartbeat'), 'heartbeat')
  late?.cursors.release()
  second.send('no JSON')
  await second.until(() => second.arrived.some((text) => String(text).startsWith('error')), 'the fence')
  assert.deepEqual(
    second.arrived.filter((text) => !String(text).startsWith('{')),
    ['heartbeat', 'error: not JSON'],
  )
  await gone(second, started)
  const third = await started.connect('/ws?user=b')
  assert.equal((await third.json()).message, 3)
})

test('what a client confirms over rpc counts for its plain connections too, at once', async (t) => {
  const started = await start(t)
  await fill(started, 1, 3)
  const first = await started.connect('/ws?user=b', rpc)
  await first.call('direct.resume', { since: { offset: 0 } })
  await eventually(async () => {
    const { body } = await started.ask('GET', '/ws/history?user=b&limit=1')
    const trace = await first.call('session.trace', { id: body.messages[0].id })
    return trace.written.length === 1
  }, 'the last to be counted as written')
  await first.call('direct.ack', { offset: 1 })
  const second = await started.connect('/ws?user=b')
  assert.deepEqual(
    (await second.jsons(2)).map(({ message }) => message),
    [2, 3],
  )
  await first.call('direct.ack', { offset: 3 })
  const third = await started.connect('/ws?user=b')
  await fill(started, 4, 4)
  assert.equal((await third.json()).message, 4)
})

test('a connection that reads slowly but reads keeps its turn: nothing pending comes to the other one too', async (t) => {
  const clock = new SimulatedClock()
  const started = await start(t, {}, { world: stillWorld(clock) })
  const total = 900
  await fill(started, 1, total, 20_000)
  const [slow, other] = [await started.connect('/ws?user=b'), await started.connect('/ws?user=b')]
  const [session] = started.server.registry.of('b')
  const taken = (): number => session?.taken ?? 0
  // It takes something in each second, for less than the ten after which anybody's turn is over.
  for (let second = 0; second < 8; second++) {
    const before = taken()
    slow.resume()
    await eventually(() => taken() > before || slow.arrived.length === total, 'some more')
    slow.pause()
    clock.advance(1_000)
    // What it has taken is looked at by the end of this turn; only what comes after that counts for the next second.
    await new Promise((resolve) => setImmediate(resolve))
  }
  slow.resume()
  await slow.until(() => slow.arrived.length >= total, 'all')
  let fence = total
  await eventually(async () => {
    await fill(started, ++fence, fence)
    return other.arrived.length > 0
  }, 'the other to have its turn')
  await slow.until(() => numbersOf(slow).at(-1) === fence, 'the fence')
  assert.deepEqual(numbersOf(slow), numbers(1, fence))
  const got = numbersOf(other)
  assert.ok((got[0] ?? 0) > total, `${got[0]} came to both`)
  assert.deepEqual(got, numbers(got[0] ?? 0, fence))
})

test('a connection that reads nothing keeps the others waiting for a moment only', async (t) => {
  const started = await start(t)
  await fill(started, 1, 400, 30_000)
  const deaf = await started.connect('/ws?user=b')
  deaf.pause()
  const other = await started.connect('/ws?user=b')
  await other.until(() => numbersOf(other).at(-1) === 400, 'what the other does not read')
  deaf.resume()
  await deaf.until(() => numbersOf(deaf).at(-1) === 400, 'all')
  for (const client of [deaf, other]) {
    const got = numbersOf(client)
    assert.deepEqual(got, numbers(got[0] ?? 0, 400))
  }
  assert.equal(numbersOf(deaf)[0], 1)
})

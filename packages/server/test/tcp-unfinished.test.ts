// How long a value may take to come in over TCP, by a clock that the test moves.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Config } from '../src/config.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { start } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

async function begin(t: TestContext, clock: SimulatedClock, wishes: Partial<Config>) {
  const { server } = await start(t, wishes, { world: stillWorld(clock) })
  const open = () => TcpClient.open(t, { port: server.socketPort ?? 0, host: '127.0.0.1' })
  return { server, open }
}

test('who sends without a pause is never between two values, and no value of theirs is late', async (t) => {
  const clock = new SimulatedClock()
  const { open } = await begin(t, clock, { helloMs: 1_000 })
  const [busy, slow] = [await open(), await open()]
  slow.socket.write('{"type":')
  const value = '{"type":"ping","queryIndex":1}🦀'
  busy.socket.write(value.slice(0, 9))
  // For twice as long as a value may take: until a second one that was begun after the first was given up is given up, too.
  for (const client of [slow, await open()]) {
    if (client !== slow) client.socket.write('{"type":')
    while (!client.closed) {
      const answers = busy.values.length
      busy.socket.write(value.slice(9) + value.slice(0, 9))
      await busy.until(() => busy.closed || busy.values.length > answers, 'an answer')
      assert.equal(busy.closed, false, JSON.stringify(busy.values.at(-1)))
      clock.advance(300)
    }
    assert.match(client.values[0].resultJob.err, /not ended in time/)
  }
})

test('a value is not late because this process stood still', async (t) => {
  const clock = new SimulatedClock()
  const { server, open } = await begin(t, clock, { helloMs: 10_000 })
  const client = await open()
  client.socket.write('{"type":"ping",')
  await eventually(() => [...server.registry.sessions].some(({ wire }) => wire.received > 0), 'the beginning')
  clock.advance(1_000)
  clock.stall(60_000)
  clock.turn()
  client.socket.write('"queryIndex":1,"payload":2}🦀')
  assert.deepEqual(await client.answer('ping', 1), { pong: 2 })
})

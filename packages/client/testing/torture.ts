// Two clients, ten thousand messages each way, a server that is harmed, and what must come of it.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { connect, type Nitka, type NitkaOptions } from '../src/index.ts'
import { exchange, type Told } from './exchange.ts'
import type { HarmedServer } from './harmed-server.ts'

export const faults = { lifeMs: 700, delayMs: 30, acceptMs: 60 }
/** Quick to notice, so that the test sees many lives of a connection. */
export const quick = {
  retryBaseMs: 20,
  retryMaxMs: 300,
  handshakeMs: 1_500,
  pingMs: 300,
  pongMs: 500,
} satisfies NitkaOptions
/** Messages each way. */
export const count = 10_000

function assertWhole({ room, inbox, gaps, errors }: Told): void {
  const all = Array.from({ length: count }, (_, n) => n)
  assert.deepEqual(errors, [])
  assert.deepEqual(gaps, [])
  assert.deepEqual(room, all, 'the room')
  assert.deepEqual(inbox, all, 'the inbox')
}

/** Lets two clients exchange messages through a harmed server, and judges it. */
export async function run(t: TestContext, server: HarmedServer, clients: readonly [Nitka, Nitka]): Promise<void> {
  for (const client of clients) t.after(() => client.close())
  await judge(t, server, () => exchange(...clients, count, 64))
}

/** Harms the server while `exchanged` goes on: nothing is lost, nothing comes twice, order is kept. */
export async function judge(t: TestContext, server: HarmedServer, exchanged: () => Promise<Told>): Promise<void> {
  server.harm(9, 1_200)
  const told = await exchanged()
  await server.calm()
  t.diagnostic(`${told.reconnects} connections lost, ${server.kills} kills, ${JSON.stringify(server.proxy.done)}`)
  assertWhole(told)
  assert.ok(told.reconnects > 10, 'the connections were harmed')
  assert.ok(server.kills > 1, 'the server was killed')
  await assertStored(t, server)
}

/** What the server has on disk, asked for by somebody who was not there. */
async function assertStored(t: TestContext, server: HarmedServer): Promise<void> {
  const reader = connect(`${server.url}?user=carl`)
  t.after(() => reader.close())
  const room = await reader.rooms.join('harm')
  let n = 0
  for await (const { message, offset } of room.messages({ since: 0 })) {
    assert.deepEqual([message, offset], [{ n }, n + 1])
    if (++n === count) return
  }
}

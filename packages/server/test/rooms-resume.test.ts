// Coming back to a room: from any position, in either dialect, while it is being written and after it was trimmed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogStore } from '../src/log/log-store.ts'
import type { Client } from '../testing/client.ts'
import { changedEngine } from '../testing/late.ts'
import { type Started, start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }
const total = 2_400

function consecutive(got: readonly number[], from: number, to: number, what: string): void {
  assert.deepEqual(
    got,
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
    what,
  )
}

async function pump({ server }: Started): Promise<void> {
  for (let i = 0; i < total; i += 8) {
    await Promise.all(Array.from({ length: 8 }, (_, j) => server.rooms.send('ann', 'tea', i + j + 1)))
  }
}

function offsetsOf(client: Client): { offset: number; id: string }[] {
  return client.arrived.flatMap((text) => {
    const value = JSON.parse(String(text))
    const entry = value.method === undefined ? value : value.params
    return entry.offset === undefined || (value.method ?? 'rooms.message') !== 'rooms.message' ? [] : [entry]
  })
}

/** Reads the whole room in many lives, each broken off in the middle, resuming by what was seen last. */
async function readInLives({ connect }: Started, user: string, plain: boolean): Promise<number[]> {
  const all: { offset: number; id: string }[] = []
  let epoch: string | undefined
  for (let life = 1; all.length < total; life++) {
    const last = all.at(-1)
    const offset = last?.offset ?? 0
    let client: Client
    if (plain) client = await connect(`/rooms/tea/ws?user=${user}&since=${offset}`)
    else {
      client = await connect(`/ws?user=${user}`, rpc)
      const since = { offset, ...(last && { id: last.id }), ...(epoch && { epoch }) }
      const joined = await client.call('rooms.join', { room: 'tea', since })
      assert.equal(joined.recovered, true)
      epoch = joined.epoch
      all.push(...joined.entries)
    }
    const want = Math.min(total - all.length, 20 + ((life * 67) % 400))
    await client.until(() => offsetsOf(client).length >= want, `life ${life} of ${user}`)
    client.terminate()
    all.push(...offsetsOf(client))
  }
  return all.map((entry) => entry.offset)
}

test('whoever breaks off and comes back again and again sees the room without a gap or a double', async (t) => {
  const started = await start(t)
  await started.server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const pumping = pump(started)
  const readers = Array.from({ length: 8 }, (_, i) => readInLives(started, `u${i}`, i % 2 === 0))
  for (const [i, got] of (await Promise.all(readers)).entries()) consecutive(got, 1, total, `reader ${i}`)
  await pumping
})

test('after a trim a join says what is gone, a plain socket begins with what is left, and both go on', async (t) => {
  let logs: LogStore | undefined
  const started = await start(
    t,
    {},
    changedEngine((engine) => {
      logs = engine.logs
      return {}
    }),
  )
  const { connect, server, ask } = started
  await server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  for (let i = 1; i <= 20; i++) await server.rooms.send('ann', 'tea', i)
  const live = await connect('/ws?user=live', rpc)
  await live.call('rooms.join', { room: 'tea', since: { offset: 20 } })
  await logs?.trim({ kind: 'room', id: 'tea' }, 8)
  const bert = await connect('/ws?user=bert', rpc)
  const joined = await bert.call('rooms.join', { room: 'tea', since: { offset: 3 } })
  assert.deepEqual(
    [joined.recovered, joined.reason, joined.missing, joined.first],
    [false, 'trimmed', [{ from: 4, to: 7, reason: 'trimmed' }], 8],
  )
  const offsets = (entries: { offset: number }[]) => entries.map(({ offset }) => offset)
  consecutive(offsets(joined.entries), 8, 20, 'what is left')
  const plain = await connect('/rooms/tea/ws?user=carl&since=3')
  consecutive(offsets(await plain.jsons(13)), 8, 20, 'what is left, plain')
  assert.equal((await bert.call('rooms.join', { room: 'tea', since: { offset: 7 } })).recovered, true)
  assert.equal((await bert.call('rooms.join', { room: 'tea', since: { offset: 21 } })).reason, 'history-changed')
  await logs?.trim({ kind: 'room', id: 'tea' }, 21)
  const empty = await bert.call('rooms.join', { room: 'tea', since: { offset: 19 } })
  assert.deepEqual([empty.missing, empty.entries], [[{ from: 20, to: 20, reason: 'trimmed' }], []])
  await server.rooms.send('ann', 'tea', 'next')
  for (const client of [live, bert, plain]) {
    await client.until(() => offsetsOf(client).some(({ offset }) => offset === 21), 'the next')
  }
  const page = (await ask('GET', '/rooms/tea/messages?user=ann&after=0')).body
  assert.deepEqual([offsets(page.messages), page.next], [[21], null])
})

test('members with slow sockets, fast sockets and none at all agree on the room in the end', async (t) => {
  const started = await start(t, { outboxBytes: 8_192 })
  const { connect, server, ask } = started
  await server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  const clients = await Promise.all(Array.from({ length: 6 }, (_, i) => connect(`/rooms/tea/ws?user=u${i}&since=0`)))
  const pausing = clients.slice(0, 3).map(async (client, i) => {
    while (client.arrived.length < total) {
      client.pause()
      await new Promise((resolve) => setTimeout(resolve, 5 + i * 10))
      const seen = client.arrived.length
      client.resume()
      await client.until(() => client.arrived.length > seen || seen >= total, 'some more')
    }
  })
  await pump(started)
  await Promise.all(pausing)
  for (const [i, client] of clients.entries()) {
    await client.until(() => client.arrived.length >= total, `all of client ${i}`)
    consecutive(
      offsetsOf(client).map(({ offset }) => offset),
      1,
      total,
      `client ${i}`,
    )
  }
  const all: number[] = []
  for (let next: number | null = 0; next !== null; ) {
    const { body } = await ask('GET', `/rooms/tea/messages?user=ann&after=${next}&limit=500`)
    all.push(...body.messages.map(({ offset }: { offset: number }) => offset))
    next = body.next
  }
  consecutive(all, 1, total, 'the history')
})

test('a repeat over a plain socket is answered in its place: never ahead of what is still to come', async (t) => {
  // What a join brings fills the outbox, so the rest waits for a pulse that is far away, and the repeat does not.
  const started = await start(t, { outboxBytes: 1_024, pulseMs: 100 })
  const { connect, server } = started
  await server.rooms.create('ann', { id: 'tea', name: 'Tea', open: true })
  await pump(started)
  await server.rooms.addMember('ann', 'tea', 'bert')
  await server.rooms.send('bert', 'tea', 'the last', 'mine')
  const bert = await connect('/rooms/tea/ws?user=bert&since=0')
  bert.send({ message: 'the last', clientId: 'mine' })
  await bert.until(() => offsetsOf(bert).some(({ offset }) => offset === total + 1), 'the last message')
  const got = offsetsOf(bert).map(({ offset }) => offset)
  consecutive(got, 1, total + 1, 'each once, in order')
  bert.send({ message: 'the last', clientId: 'mine' })
  await bert.until(() => offsetsOf(bert).length === total + 2, 'the answer to who has it already')
  assert.equal(offsetsOf(bert).at(-1)?.offset, total + 1)
})

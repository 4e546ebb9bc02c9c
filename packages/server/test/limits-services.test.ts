// What there may be of everything that clients make: up to the limit it works, one more is refused with a reason, and where the
// limit is 0 there is none.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../testing/client.ts'
import { start } from '../testing/server.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }
const day = 24 * 60 * 60 * 1_000

interface Row {
  /** The limit is 2. */
  readonly limit: string
  /** Makes the `n`th. */
  readonly make: (client: Client, n: number) => Promise<unknown>
  readonly before?: (client: Client) => Promise<unknown>
  readonly refusal: { readonly code: string; readonly message: RegExp }
}

const from = '2031-01-01T00:00:00.000Z'
const to = '2031-01-01T01:00:00.000Z'
const pool = (client: Client) => client.call('pools.add', { pool: 'p', resources: ['a', 'b', 'c', 'd'] })

const rows: readonly Row[] = [
  {
    limit: 'pools',
    make: (client, n) => client.call('pools.add', { pool: `p${n}`, resources: ['a'] }),
    refusal: { code: 'overloaded', message: /2 pools/ },
  },
  {
    limit: 'resourcesPerPool',
    make: (client, n) => client.call('pools.add', { pool: 'q', resources: [`r${n}`] }),
    refusal: { code: 'overloaded', message: /2 resources/ },
  },
  {
    limit: 'holdsPerConnection',
    before: pool,
    make: (client) => client.call('pools.acquire', { pool: 'p' }),
    refusal: { code: 'overloaded', message: /2 holds/ },
  },
  {
    limit: 'bookingsPerPool',
    before: pool,
    make: (client) => client.call('pools.book', { pool: 'p', from, to }),
    refusal: { code: 'overloaded', message: /2 bookings/ },
  },
  {
    limit: 'requestTypes',
    make: (client, n) => client.call('requests.execute', { type: `t${n}` }),
    refusal: { code: 'overloaded', message: /2 types/ },
  },
  {
    limit: 'roomsPerUser',
    make: (client) => client.call('rooms.create', { name: 'x' }),
    refusal: { code: 'overloaded', message: /2 rooms/ },
  },
  {
    limit: 'membersPerRoom',
    before: (client) => client.call('rooms.create', { id: 'tea', name: 'Tea' }),
    make: (client, n) => client.call('rooms.add', { room: 'tea', user: n === 1 ? 'anna' : `u${n}` }),
    refusal: { code: 'overloaded', message: /2 members/ },
  },
  {
    limit: 'subscriptions',
    make: (client, n) => client.call('relay.join', { channel: `c${n}` }),
    refusal: { code: 'overloaded', message: /2 subscriptions/ },
  },
  {
    limit: 'queueTasks',
    make: (client) => client.call('tasks.add', { tasks: [{ payload: {}, queue: 'q' }] }),
    refusal: { code: 'overloaded', message: /2 waiting tasks/ },
  },
]

/** Types are never without a limit. */
const always = new Set(['requestTypes'])

for (const { limit, make, before, refusal } of rows) {
  test(`${limit}: as many as it says, and no more; 0 is no limit`, async (t) => {
    for (const most of always.has(limit) ? [2] : [2, 0]) {
      const { connect } = await start(t, { [limit]: most })
      const client = await connect('/ws?user=anna', rpc)
      await before?.(client)
      await make(client, 1)
      await make(client, 2)
      if (most === 0) await make(client, 3)
      else await assert.rejects(make(client, 3), refusal)
    }
  })
}

test('waitersPerPool: as many wait as it says; whoever is served makes room', async (t) => {
  const { connect } = await start(t, { waitersPerPool: 2 })
  const client = await connect('/ws?user=anna', rpc)
  await client.call('pools.add', { pool: 'p', resources: ['a'] })
  const acquire = () => client.call('pools.acquire', { pool: 'p', wait: 60_000 })
  const { hold } = await acquire()
  const waiting = [acquire(), acquire()]
  await assert.rejects(acquire(), { code: 'overloaded', message: /2 wait/ })
  await client.call('pools.release', { hold })
  await client.call('pools.release', { hold: (await waiting[0]).hold })
  await client.call('pools.release', { hold: (await waiting[1]).hold })
})

test('a task is as large and as late as it may be, and no more', async (t) => {
  const { connect } = await start(t, { taskBytes: 100 })
  const client = await connect('/ws?user=anna', rpc)
  const add = (task: object) => client.call('tasks.add', { tasks: [task] })
  const payload = (bytes: number) => ({ x: 'x'.repeat(bytes - 8) })
  await add({ payload: payload(100) })
  await assert.rejects(add({ payload: payload(101) }), { code: 'too-large', message: /at most 100/ })
  await add({ payload: {}, delay: 30 * day })
  await assert.rejects(add({ payload: {}, delay: 30 * day + 1 }), { code: 'invalid', message: /delay/ })
  await assert.rejects(add({ payload: {}, lease: 3_600_001 }), { code: 'invalid', message: /lease/ })
})

test('a hold lasts as long as it may, and no more', async (t) => {
  const { connect } = await start(t)
  const client = await connect('/ws?user=anna', rpc)
  await pool(client)
  await client.call('pools.acquire', { pool: 'p', ttl: 3_600_000 })
  await assert.rejects(client.call('pools.acquire', { pool: 'p', ttl: 3_600_001 }), { code: 'invalid', message: /ttl/ })
})

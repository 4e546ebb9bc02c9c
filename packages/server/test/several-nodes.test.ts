// Two servers that are nodes of one cluster, as their clients see them: on one store, a bus between them, and an ownership
// that the test can move. The engine of real clusters passes its own tests; here are the ways of calls through a node.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { InProcessHub } from '../src/engines/embedded/bus.ts'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import type { Engine } from '../src/engines/engine.ts'
import { realWorld } from '../src/world.ts'
import { eventually } from '../testing/eventually.ts'
import { FakeOwners } from '../testing/fake-ownership.ts'
import { type Started, start, temporaryFolder } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

const rpc = { protocols: ['nitka.rpc.v1'] }

/** Two nodes. The store is closed after both. */
async function pair(t: TestContext): Promise<{ one: Started; two: Started; owners: FakeOwners }> {
  const world = realWorld()
  const data = await temporaryFolder(t)
  const shared = await openEmbedded({ dataDir: data, world, reserveBytes: 0 })
  const servers: Started[] = []
  t.after(async () => {
    for (const { server } of servers) await server.stop(0)
    await shared.close()
  })
  const owners = new FakeOwners(world.clock)
  const hub = new InProcessHub()
  const open = async (name: string): Promise<Started> => {
    const bus = hub.node()
    const ownership = owners.node(name)
    const engine = {
      ...{ logs: shared.logs, rooms: shared.rooms, tasks: shared.tasks, pools: shared.pools, bus, ownership },
      ...{ durability: shared.durability, counters: shared.counters, onCommit: undefined, onFailed: undefined },
      ...{ presence: undefined, onGap: undefined, onStored: undefined, onCrowded: undefined },
      storeTogether: (appends, added) => shared.storeTogether(appends, added),
      unhealthy: () => undefined,
      close: () => {
        // As the record does when a node leaves.
        owners.kill(ownership)
        return bus.close()
      },
    } as Engine
    const started = await start(
      t,
      { data, drainMs: 10_000, preStopMs: 0, holdGraceMs: 500 },
      { openEngine: async () => engine },
    )
    servers.push(started)
    return started
  }
  return { one: await open('one'), two: await open('two'), owners }
}

test('a client executor on one node answers clients of the other, and the next one takes over when its node stops', async (t) => {
  const { one, two, owners } = await pair(t)
  const here = await one.connect('/ws?user=anna', rpc)
  await here.call('requests.execute', { type: 'double' })
  await eventually(() => owners.owner('request:double')?.node === 'one', 'the first node has the type')
  const there = await two.connect('/ws?user=bert', rpc)
  await there.call('requests.execute', { type: 'double' })
  const client = await TcpClient.open(t, { port: two.server.socketPort ?? 0, host: '127.0.0.1' })
  client.ask('double', 1, 21)
  client.ask('double', 2, 4)
  const first = await here.json()
  assert.deepEqual([first.params.payload, two.server.requests.waiting], [21, 1])
  await here.call('requests.result', { id: first.params.id, result: 42 })
  assert.equal(await client.answer('double', 1), 42)
  const second = await here.json()
  assert.equal(second.params.payload, 4)
  client.ask('double', 3, 5)
  // It is on its way when the drain begins, however long that takes.
  const given = here.call('requests.result', { id: second.params.id, result: 8 })
  const stopped = one.server.stop()
  await given
  assert.equal(await client.answer('double', 2), 8)
  const third = await there.json()
  assert.equal(third.params.payload, 5)
  await there.call('requests.result', { id: third.params.id, result: 10 })
  assert.equal(await client.answer('double', 3), 10)
  await stopped
  const metrics = (await two.ask('GET', '/metrics')).body as string
  assert.match(metrics, /nitka_requests_forwarded_total \d/)
  assert.match(metrics, /nitka_requests_types_owned 1/)
})

test('pools are the same over TCP, rpc and HTTP of either node, and outlive the one that has them', async (t) => {
  const { one, two, owners } = await pair(t)
  await eventually(() => owners.owner('pools')?.node === 'one', 'the first node has the pools')
  const resources = ['a', 'b']
  assert.deepEqual((await two.ask('POST', '/pools/add', { pool: 'p', resources })).body, { added: 2 })
  const mine = await two.connect('/ws?user=anna', rpc)
  const hold = await mine.call('pools.acquire', { pool: 'p' })
  const client = await TcpClient.open(t, { port: one.server.socketPort ?? 0, host: '127.0.0.1' })
  assert.equal((await client.call('pool.acquire', 1, { pool: 'p' })).resources[0], 'b')
  const refused = await two.ask('POST', '/pools/acquire', { pool: 'p' })
  assert.deepEqual([refused.status, refused.body.code], [409, 'busy'])
  const waiting = two.ask('POST', '/pools/acquire', { pool: 'p', wait: 20_000 })
  await eventually(() => one.server.pools.waiting === 1, 'somebody waits at the first node')
  await one.server.stop()
  // The connection of the stopped node is gone, and with it its hold.
  assert.equal((await waiting).body.resources[0].id, 'b')
  const check = { pool: 'p', resource: 'a', token: hold.token }
  assert.deepEqual((await two.ask('POST', '/pools/check', check)).body, { held: true })
  mine.terminate()
  assert.match((await two.ask('GET', '/metrics')).body, /nitka_pools_owned 1/)
  assert.deepEqual((await two.ask('POST', '/pools/list', {})).body.pools[0].total, 2)
})

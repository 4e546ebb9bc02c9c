// An asynchronous standby takes over without the end of what was confirmed: whoever knew more is told that the past has changed, and
// everything goes on, under larger numbers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServer } from '../src/server.ts'
import { noCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import { Link } from '../testing/link.ts'
import { TestNats } from '../testing/nats.ts'
import { TestPostgres } from '../testing/postgres.ts'
import { connect } from '../testing/server.ts'

const skip = noCluster() ?? false
const rpc = { protocols: ['nitka.rpc.v1'] }
/** Longer than the pools take to find a node. */
const patienceMs = 40_000

test('after a failover that lost the end clients are told, offsets go on, and no token comes twice', {
  skip,
}, async (t) => {
  const primary = await TestPostgres.start(t)
  const url = await primary.database()
  const [nats, wire, link] = [
    await TestNats.start(t),
    await Link.start(t, primary.port),
    await Link.start(t, primary.port),
  ]
  const standby = await primary.standby(t, wire.port)
  const node = async () => {
    const server = await createServer({
      ...{ port: 0, socketPort: 0, natsUrl: nats.url, logLevel: 'fatal' },
      postgresUrl: url.replace(String(primary.port), String(link.port)),
    })
    t.after(() => server.stop(0))
    return server
  }
  const [one, two] = [await node(), await node()]
  await one.rooms.create('ann', { name: 'Tea', id: 'tea', open: true })
  const bert = await connect(t, two.url, '/ws?user=bert', rpc)
  await bert.call('rooms.join', { room: 'tea' })
  await one.pools.add('rooms', [{ id: 'r1' }])
  const say = (text: string) => one.rooms.send('ann', 'tea', text)
  for (const text of ['a', 'b']) await say(text)
  const position = async (): Promise<string> => {
    const [row] = await primary.administer('select pg_current_wal_lsn()::text as at')
    return (row as { at: string }).at
  }
  const reached = await position()
  await eventually(async () => {
    const [row] = await standby.administer(`select pg_last_wal_replay_lsn() >= '${reached}' as there`)
    return (row as { there: boolean }).there
  }, 'the standby has what was said')

  // The standby hears nothing more; what is confirmed from here on is lost.
  wire.lead(1)
  const lost = [await say('c'), await say('d')]
  const held = await two.pools.acquire({ user: 'bert', owner: undefined }, { pool: 'rooms', count: 1, ttl: 1_000 })
  await eventually(() => bert.arrived.filter((text) => String(text).includes('rooms.message')).length === 4, 'all four')
  const since = { offset: 4, id: lost[1]?.id }
  await primary.kill()
  await standby.promote()
  link.lead(standby.port)

  await eventually(
    () =>
      say('e')
        .then(() => true)
        .catch(() => false),
    'it is stored again',
    patienceMs,
  )
  const texts = async () => (await two.rooms.history('bert', 'tea', {})).entries.map(({ body }) => JSON.parse(body))
  const kept = await texts()
  assert.deepEqual(kept.slice(0, 3), ['a', 'b', 'e'])
  await bert.closed
  const again = await connect(t, two.url, '/ws?user=bert', rpc)
  const joined = await again.call('rooms.join', { room: 'tea', since })
  assert.deepEqual([joined.recovered, joined.reason], [false, 'history-changed'])
  await say('f')
  await eventually(() => again.arrived.some((text) => String(text).includes('"f"')), 'what follows is heard')
  let next: { token: number } | undefined
  await eventually(
    async () => {
      next = await one.pools
        .acquire({ user: 'ann', owner: undefined }, { pool: 'rooms', count: 1, ttl: 1_000 })
        .catch(() => undefined)
      return next !== undefined
    },
    'the resource is had again',
    patienceMs,
  )
  assert.ok((next?.token ?? 0) > held.token)
})

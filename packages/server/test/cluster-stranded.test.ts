// The machine of Postgres is gone without a word, and another one has its address: nobody closes the old connections.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noCluster, startCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import { Link } from '../testing/link.ts'
import { ask } from '../testing/server.ts'

const skip = noCluster() ?? false

test('connections to Postgres that will never answer are given up, and the node goes on over others', {
  skip,
}, async (t) => {
  const cluster = await startCluster(t)
  const link = await Link.start(t, cluster.postgres.port)
  const node = await cluster.node({ postgresUrl: cluster.url.replace(/:\d+\//, `:${link.port}/`) })
  const calm = await cluster.node()
  await calm.rooms.create('ann', { name: 'Tea', id: 'tea', open: true })
  const before = (): Promise<boolean> =>
    node.rooms.send('ann', 'tea', 'before', 'c0').then(
      () => true,
      () => false,
    )
  await eventually(before, 'the node to store')
  link.strand()
  await assert.rejects(node.rooms.send('ann', 'tea', 'after', 'c1'), { code: 'unavailable' })
  const sent = async (): Promise<boolean> => {
    const answer = await node.rooms.send('ann', 'tea', 'after', 'c1').catch(() => undefined)
    return answer?.offsets[0] === 2
  }
  await eventually(sent, 'the node to store again', 60_000)
  await eventually(async () => (await ask(node.url, 'GET', '/readyz')).status === 200, 'it is ready', 60_000)
})

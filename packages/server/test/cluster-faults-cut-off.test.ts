// A node is cut off from NATS under load, both ways and one way: nothing that was confirmed is lost, nothing is doubled, and
// everybody hears everything once and in order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import { type Direction, Link } from '../testing/link.ts'
import { ask } from '../testing/server.ts'
import { underLoad } from '../testing/under-load.ts'
import { pause } from '../testing/writer.ts'

const skip = noCluster() ?? false

test('a node cut off from NATS, both ways and one way: it serves from the store, and hears of everything', {
  skip,
}, async (t) => {
  let link: Link | undefined
  const { nodes, fault, end } = await underLoad(t, async ({ nats }, node) => {
    if (node !== 0) return {}
    link = await Link.start(t, nats.port)
    return { natsUrl: `nats://127.0.0.1:${link.port}` }
  })
  const ways: readonly (readonly Direction[])[] = [['out', 'in'], ['out'], ['in']]
  for (const way of ways) {
    await fault(`node 0 cut off from NATS: ${way.join(' and ')}`, async () => {
      link?.cut(...way)
      await pause(5_000)
    })
    link?.mend()
    await fault(`node 0 has NATS again: ${way.join(' and ')}`, async () => undefined)
  }
  await fault('node 0 cut off until it knows', async () => {
    link?.cut('out', 'in')
    const unready = async (): Promise<boolean> => (await ask(nodes[0]?.url ?? '', 'GET', '/readyz')).status === 503
    await eventually(unready, 'the node to say that it has no bus', 60_000)
  })
  link?.mend()
  const ready = async (): Promise<boolean> => (await ask(nodes[0]?.url ?? '', 'GET', '/readyz')).status === 200
  await eventually(ready, 'the node to have a bus again', 60_000)
  assert.ok((link?.connections ?? 0) > 1, 'it has connected again')
  await end()
})

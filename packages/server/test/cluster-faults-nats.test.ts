// NATS fails under load: nothing that was confirmed is lost, nothing is doubled, everybody hears everything once and in order, and
// no node ends by itself.

import { test } from 'node:test'
import { noCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import type { NodeProcess } from '../testing/node-process.ts'
import { ask } from '../testing/server.ts'
import { underLoad } from '../testing/under-load.ts'
import { pause } from '../testing/writer.ts'

const skip = noCluster() ?? false

const status = async (node: NodeProcess): Promise<number> => (await ask(node.url, 'GET', '/readyz')).status

test('NATS killed, stopped for a while and started again: all is confirmed, heard once and in order', {
  skip,
}, async (t) => {
  const { cluster, nodes, fault, end } = await underLoad(t)
  const { nats } = cluster
  await fault('NATS killed', async () => {
    await nats.kill()
    for (const node of nodes) await eventually(async () => (await status(node)) === 503, 'it says so', 30_000)
    await pause(2_000)
  })
  await nats.start()
  for (const node of nodes) await eventually(async () => (await status(node)) === 200, 'it is ready', 30_000)
  await fault('NATS started again', async () => undefined)
  await fault('NATS stopped for 5 s', async () => {
    nats.pause()
    await pause(5_000)
    nats.resume()
  })
  await end()
})

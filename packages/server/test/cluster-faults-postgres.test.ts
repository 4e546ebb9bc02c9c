// Postgres fails under load, again and again: nothing that was confirmed is lost, nothing is doubled, everybody hears everything
// once and in order, and no node ends by itself.

import { test } from 'node:test'
import { noCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import type { NodeProcess } from '../testing/node-process.ts'
import { ask } from '../testing/server.ts'
import { underLoad } from '../testing/under-load.ts'
import { pause } from '../testing/writer.ts'

const skip = noCluster() ?? false

const status = async (node: NodeProcess): Promise<number> => (await ask(node.url, 'GET', '/readyz')).status

test('Postgres killed, stopped for a while and started again: all that was confirmed is there, once and in order', {
  skip,
}, async (t) => {
  const { cluster, nodes, fault, end } = await underLoad(t)
  const { postgres } = cluster
  for (const round of [1, 2]) {
    await fault(`Postgres killed (${round})`, async () => {
      await postgres.kill()
      for (const node of nodes) await eventually(async () => (await status(node)) === 503, 'it says so', 30_000)
      await postgres.start()
    })
  }
  await fault('Postgres stopped for 5 s', async () => {
    postgres.pause()
    await pause(5_000)
    for (const node of nodes) await eventually(async () => (await status(node)) === 503, 'it says so', 30_000)
    postgres.resume()
  })
  await fault('Postgres restarted by an operator', async () => {
    await postgres.stop()
    await postgres.start()
  })
  for (const node of nodes) await eventually(async () => (await status(node)) === 200, 'it is ready', 30_000)
  await end()
})

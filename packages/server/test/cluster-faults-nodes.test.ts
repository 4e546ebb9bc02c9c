// Nodes are killed, and stopped for longer than their lease, under load: nothing that was confirmed is lost, nothing is doubled,
// everybody hears everything once and in order, and the others know who is gone.

import { test } from 'node:test'
import { noCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import type { NodeProcess } from '../testing/node-process.ts'
import { ask } from '../testing/server.ts'
import { underLoad } from '../testing/under-load.ts'
import { pause } from '../testing/writer.ts'

const skip = noCluster() ?? false

/** Longer than the lease of a node. */
const longMs = 8_000

/** Resolves when `asked` says of the listener of node `i` that it is there, or that it is not. Gives how long it took. */
async function seen(asked: NodeProcess | undefined, i: number, there: boolean): Promise<number> {
  const start = performance.now()
  const present = async (): Promise<boolean> => {
    const { body } = await ask(asked?.url ?? '', 'GET', '/rooms/tea/presence?user=ann')
    return body.presence.includes(`listener-${i}`) === there
  }
  await eventually(present, `listener ${i} to be ${there ? 'there' : 'gone'}`, 90_000)
  return Math.round(performance.now() - start)
}

test('nodes killed, and stopped for longer than their lease: the others go on, and it comes back', {
  skip,
}, async (t) => {
  const { nodes, fault, end } = await underLoad(t)
  const [one, two, three] = nodes as [NodeProcess, NodeProcess, NodeProcess]
  for (const [i, victim] of [one, two].entries()) {
    await fault(`node ${i} killed and started again`, async () => {
      await victim.kill()
      t.diagnostic(`its listener is gone ${await seen(three, i, false)} ms later`)
      await victim.start()
    })
    await seen(three, i, true)
  }
  await fault('node 2 stopped for 8 s', async () => {
    three.pause()
    await pause(longMs)
    await seen(one, 2, false)
    three.resume()
  })
  await seen(one, 2, true)
  await end()
})

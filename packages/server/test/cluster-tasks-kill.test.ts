// Tasks on three nodes whose workers, nodes and Postgres die under load: every task is done or dead in the end, none is with two
// at one time, and none that was reported is handed out again.

import { test } from 'node:test'
import { noCluster, startCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import { NodeProcess } from '../testing/node-process.ts'
import { TaskCrew } from '../testing/task-crew.ts'
import { judgeTasks } from '../testing/task-judge.ts'
import { pause } from '../testing/writer.ts'

const skip = noCluster() ?? false
const leaseMs = 1_000

test('workers, nodes and Postgres killed under load: every task is done or dead, and with one worker at a time', {
  skip,
}, async (t) => {
  const cluster = await startCluster(t)
  const flags = ['--lease-ms', String(leaseMs), '--backoff-ms', '50']
  const nodes = await Promise.all([0, 1, 2].map(() => NodeProcess.of(t, cluster, { flags })))
  const crew = new TaskCrew({ nodes, leaseMs, vanishEvery: 15 })
  t.after(() => crew.abandon())
  for (const name of ['a', 'b', 'c']) crew.add(name)
  for (let i = 0; i < 9; i++) crew.work(i)
  const goesOn = async (what: string): Promise<void> => {
    const start = performance.now()
    const before = crew.reported.size
    await eventually(() => crew.reported.size > before + 20, `work to go on after: ${what}`, 90_000)
    t.diagnostic(`${what}: work goes on ${Math.round(performance.now() - start)} ms later`)
  }
  await goesOn('the start')
  for (const [i, node] of nodes.slice(1).entries()) {
    await node.kill()
    await goesOn(`node ${i + 1} killed`)
    await node.start()
    await cluster.postgres.kill()
    await pause(500)
    await cluster.postgres.start()
    await goesOn('Postgres killed and started again')
  }
  // Longer than the leases of what it has handed out, and of what it was about to hand out.
  nodes[0]?.pause()
  await pause(3 * leaseMs)
  nodes[0]?.resume()
  await goesOn('node 0 stopped for three leases')
  await crew.enough()
  const fresh = await NodeProcess.of(t, cluster, { flags })
  await judgeTasks(t, crew, fresh)
  for (const node of [...nodes, fresh]) node.assertWell()
})

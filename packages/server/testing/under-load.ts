// Three nodes as processes, with traffic on all of them, for tests that break something and see that all goes on.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { startCluster, type TestCluster } from './cluster.ts'
import { NodeProcess, type NodeWishes } from './node-process.ts'
import { Traffic } from './traffic.ts'

const memoryMoreMax = 256 * 2 ** 20

export interface UnderLoad {
  readonly cluster: TestCluster
  readonly nodes: readonly NodeProcess[]
  readonly traffic: Traffic
  /** Does harm, and fails when not everything goes on after it. */
  fault(what: string, harm: () => Promise<unknown>): Promise<void>
  /** Judges everything. No more harm after it. */
  end(): Promise<void>
}

/** @param wishes of one node more than the others have, once there is a cluster */
export async function underLoad(
  t: TestContext,
  wishes: (cluster: TestCluster, node: number) => NodeWishes | Promise<NodeWishes> = () => ({}),
): Promise<UnderLoad> {
  const cluster = await startCluster(t)
  // The password is asked for by nobody, and must be told to nobody.
  const postgresUrl = cluster.url.replace('nitka@', 'nitka:secret@')
  const start = async (node: number): Promise<NodeProcess> =>
    NodeProcess.of(t, cluster, { postgresUrl, ...(await wishes(cluster, node)) })
  const nodes = await Promise.all([0, 1, 2].map(start))
  const traffic = await Traffic.start(t, nodes)
  await traffic.goesOn('the start')
  const memory = nodes.map((node) => node.memory)
  const fault = async (what: string, harm: () => Promise<unknown>): Promise<void> => {
    await harm()
    t.diagnostic(`${what}: all goes on ${await traffic.goesOn(what)} ms later`)
  }
  const end = async (): Promise<void> => {
    await traffic.judge(await NodeProcess.of(t, cluster))
    t.diagnostic(traffic.summary())
    for (const [i, node] of nodes.entries()) {
      node.assertWell()
      const more = node.memory - (memory[i] ?? 0)
      t.diagnostic(`node ${i}: ${Math.round(more / 2 ** 20)} MiB more than at the start`)
      assert.ok(more < memoryMoreMax, 'memory is bounded')
    }
  }
  return { cluster, nodes, traffic, fault, end }
}

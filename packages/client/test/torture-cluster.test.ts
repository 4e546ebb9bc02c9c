// What the library promises over two nodes of a cluster, while both are killed, stopped for a while and started again, and
// connections go to one and to the other: nothing is lost, nothing comes twice, order is kept.

import test from 'node:test'
import { noCluster } from '../../server/testing/cluster.ts'
import { connect } from '../src/index.ts'
import { HarmedServer } from '../testing/harmed-server.ts'
import { faults, quick, run } from '../testing/torture.ts'

test('10,000 messages each way over WebSocket to two nodes in turn come once and in order, whatever breaks', {
  skip: noCluster() ?? false,
}, async (t) => {
  const server = await HarmedServer.start(t, { faults, seed: 4, nodes: 2 })
  const url = `ws://127.0.0.1:${server.proxy.port}`
  await run(t, server, [connect(`${url}?user=anna`, quick), connect(`${url}?user=bert`, quick)])
})

// Servers that are killed, stopped for a while and started again, behind a proxy that harms its connections: one with a store
// of its own, or the nodes of a cluster, to which connections go in turn.

import type { TestContext } from 'node:test'
import { startCluster } from '../../server/testing/cluster.ts'
import { NodeProcess } from '../../server/testing/node-process.ts'
import { FaultProxy, type Faults } from './fault-proxy.ts'

export interface HarmOptions {
  readonly faults: Faults
  readonly seed: number
  /** The proxy leads to the TCP port. */
  readonly tcp?: boolean
  /** More flags for the server. */
  readonly flags?: readonly string[]
  /** How many nodes of one cluster. Absent: one server that needs nothing else. */
  readonly nodes?: number
}

export class HarmedServer {
  kills = 0
  stops = 0
  readonly proxy: FaultProxy
  readonly #nodes: readonly NodeProcess[]
  #harming: Promise<void> | undefined
  #over = false

  private constructor(nodes: readonly NodeProcess[], proxy: FaultProxy) {
    this.#nodes = nodes
    this.proxy = proxy
  }

  static async start(t: TestContext, options: HarmOptions): Promise<HarmedServer> {
    const { faults, seed, tcp = false } = options
    const nodes = await startNodes(t, options)
    let turn = 0
    const target = (): number => {
      const up = nodes.filter((node) => node.up)
      const { ports } = up[turn++ % up.length] ?? (nodes[0] as NodeProcess)
      return tcp ? ports.tcp : ports.http
    }
    const proxy = await FaultProxy.start(target, faults, seed)
    t.after(() => proxy.close())
    return new HarmedServer(nodes, proxy)
  }

  /** A server itself, past the proxy. */
  get url(): string {
    return (this.#nodes[0] as NodeProcess).url
  }

  /** Kills and stops them in turn until `calm`, at most `times` times. */
  harm(times: number, everyMs: number): void {
    this.#harming = this.#run(times, everyMs)
  }

  /** No more harm: resolves when all run. Rejects when one of them ended by itself, or complained. */
  async calm(): Promise<void> {
    this.#over = true
    this.proxy.calm()
    await this.#harming
    for (const node of this.#nodes) node.assertWell()
  }

  async #run(times: number, everyMs: number): Promise<void> {
    for (let i = 0; i < times && !this.#over; i++) {
      await pause(everyMs)
      const victim = this.#nodes[i % this.#nodes.length] as NodeProcess
      if (i % 3 === 2) await this.#stopForAWhile(victim)
      else await this.#restart(victim)
    }
  }

  async #restart(victim: NodeProcess): Promise<void> {
    this.kills++
    await victim.kill()
    await victim.start()
  }

  async #stopForAWhile(victim: NodeProcess): Promise<void> {
    this.stops++
    victim.pause()
    await pause(1_000)
    victim.resume()
  }
}

async function startNodes(t: TestContext, { nodes, flags = [] }: HarmOptions): Promise<readonly NodeProcess[]> {
  if (nodes === undefined) return [await NodeProcess.start(t, flags)]
  const cluster = await startCluster(t)
  return Promise.all(Array.from({ length: nodes }, () => NodeProcess.of(t, cluster, { flags })))
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

// Three nodes are restarted one after the other under load, as a deploy does it: nothing is lost, nothing comes twice, each node
// ends well, and each of its clients moves once. On the way the schema becomes that of a later version, which the nodes work with.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { noCluster } from '../../server/testing/cluster.ts'
import { eventually } from '../../server/testing/eventually.ts'
import { laterSchema } from '../../server/testing/later-schema.ts'
import type { NodeProcess } from '../../server/testing/node-process.ts'
import { underLoad } from '../../server/testing/under-load.ts'
import { connect, type Nitka } from '../src/index.ts'
import { FaultProxy } from '../testing/fault-proxy.ts'

const clients = 12
const patienceMs = 90_000

/** Somebody who talks and listens in a room all the time. */
class Talker {
  /** Times that it was live. */
  lives = 0
  /** How long a message took to be confirmed at most, milliseconds. */
  slowest = 0
  sent = 0
  readonly heard: string[] = []
  readonly gaps: unknown[] = []
  readonly nitka: Nitka
  readonly #name: string
  #talking: Promise<void> | undefined
  #over = false

  constructor(name: string, url: string) {
    this.#name = name
    this.nitka = connect(`${url}?user=${name}`, { retryBaseMs: 100, retryMaxMs: 1_000 })
    this.nitka.on('state', ({ state }) => {
      if (state === 'live') this.lives++
    })
  }

  /** The node that it is connected to; undefined while it moves. */
  get node(): string | undefined {
    return this.nitka.state === 'live' ? this.nitka.server?.node : undefined
  }

  /** Listens from now on, and talks once `all` are there: who comes later does not hear what was said before. */
  async start(all: Promise<unknown>): Promise<void> {
    const room = await this.nitka.rooms.join('talk')
    room.on('message', ({ message }) => void this.heard.push((message as { text: string }).text))
    room.on('gap', (gap) => this.gaps.push(gap))
    this.#talking = all.then(() => this.#talk(async (text) => void (await room.send({ text }))))
    // Whoever ends it hears of it.
    this.#talking.catch(() => undefined)
  }

  async end(): Promise<void> {
    this.#over = true
    await this.#talking
  }

  async #talk(send: (text: string) => Promise<void>): Promise<void> {
    while (!this.#over) {
      const start = performance.now()
      await send(`${this.#name} ${this.sent}`)
      this.sent++
      this.slowest = Math.max(this.slowest, performance.now() - start)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** Connections go to the nodes that are up, in turn. */
async function balancer(t: TestContext, nodes: readonly NodeProcess[]): Promise<string> {
  let turn = 0
  const next = (): number => {
    const up = nodes.filter((node) => node.up)
    return up[turn++ % up.length]?.ports.http ?? 0
  }
  const proxy = await FaultProxy.start(next, { lifeMs: 1, delayMs: 0, acceptMs: 0 }, 1)
  proxy.calm()
  t.after(() => proxy.close())
  return `ws://127.0.0.1:${proxy.port}`
}

test('three nodes restarted one after the other under load: nothing is lost, and only who is on a node moves, once', {
  skip: noCluster() ?? false,
}, async (t) => {
  const flags = ['--drain-ms', '2000']
  const { cluster, nodes, fault, end } = await underLoad(t, () => ({ flags }))
  const url = await balancer(t, nodes)
  const talkers = Array.from({ length: clients }, (_, i) => new Talker(`talker-${i}`, url))
  t.after(() => {
    for (const { nitka } of talkers) nitka.close()
  })
  await talkers[0]?.nitka.rooms.create({ name: 'Talk', id: 'talk', open: true })
  const all = Promise.withResolvers<void>()
  await Promise.all(talkers.map((talker) => talker.start(all.promise)))
  all.resolve()
  for (const [i, node] of nodes.entries()) {
    const before = talkers.map(({ lives, node: name }) => ({ lives, name }))
    await fault(`node ${i} restarted`, async () => {
      const start = performance.now()
      await node.stop()
      t.diagnostic(`it ended ${Math.round(performance.now() - start)} ms after SIGTERM`)
      if (i === 1) await laterSchema(cluster.url)
      await node.start()
    })
    await eventually(() => talkers.every(({ node: name }) => name !== undefined), 'everybody to be live', patienceMs)
    for (const [j, { lives, node: name }] of talkers.entries()) {
      const moved = before[j]?.name === name ? 0 : 1
      assert.equal(lives - (before[j]?.lives ?? 0), moved, `talker ${j} moved ${moved} times`)
    }
  }
  await Promise.all(talkers.map((talker) => talker.end()))
  const total = talkers.reduce((sum, { sent }) => sum + sent, 0)
  for (const { heard } of talkers) await eventually(() => heard.length >= total, 'everybody to hear all', patienceMs)
  const [first, ...others] = talkers as [Talker, ...Talker[]]
  assert.deepEqual(
    first.heard.toSorted(),
    talkers.flatMap(({ sent }, i) => Array.from({ length: sent }, (_, n) => `talker-${i} ${n}`)).toSorted(),
  )
  for (const { heard, gaps } of others) {
    assert.deepEqual(heard, first.heard)
    assert.deepEqual(gaps, [])
  }
  const moves = talkers.map(({ lives }) => lives - 1)
  const slowest = Math.round(Math.max(...talkers.map((talker) => talker.slowest)))
  t.diagnostic(`${total} messages; moves ${moves.join(' ')}; the slowest confirmation took ${slowest} ms`)
  await end()
})

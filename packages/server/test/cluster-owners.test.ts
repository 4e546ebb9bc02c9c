// What only one node may have, on real processes: a node is killed, stopped and resumed, and another one takes over.

import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { noCluster, startCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import { type ServerProcess, startProcess } from '../testing/process.ts'
import { ask, temporaryFolder } from '../testing/server.ts'

const skip = noCluster() ?? false
/** Longer than a lease, a beat and the start of what is taken over. */
const patienceMs = 90_000
/** By how much wall times of one machine may differ from what passed. */
const clockMs = 5

/** Executors that write down when they ran, and under which fence. */
function executors(file: string): string {
  return `
    import { appendFileSync } from 'node:fs'
    const say = (line) => appendFileSync(${JSON.stringify(file)}, JSON.stringify({ ...line, pid: process.pid, at: Date.now() }) + '\\n')
    export default {
      count: async ({ n }, { fence, signal }) => {
        say({ n, fence, what: 'begin' })
        await new Promise((resolve) => setTimeout(resolve, 5))
        say({ n, fence, what: signal.aborted ? 'aborted' : 'end' })
        return { n, fence, pid: process.pid }
      },
    }`
}

interface Line {
  readonly n: number
  readonly fence: number
  readonly pid: number
  readonly at: number
  readonly what: 'begin' | 'end' | 'aborted'
}

function linesOf(file: string): Line[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

async function three(t: TestContext) {
  const { url, nats } = await startCluster(t)
  const flags = ['--postgres-url', url, '--nats-url', nats.url]
  const folder = await temporaryFolder(t)
  const [file, module] = [join(folder, 'ran.ndjson'), join(folder, 'executors.mjs')]
  appendFileSync(file, '')
  writeFileSync(module, executors(file))
  const start = () => startProcess(t, folder, [...flags, '--executors', module, '--connections-per-user', '0'])
  const nodes = await Promise.all([start(), start(), start()])
  return { nodes, start, file }
}

async function pidOf(url: string, n: number): Promise<number | undefined> {
  const { status, body } = await ask(url, 'POST', '/requests/count', { payload: { n } })
  return status === 200 ? (body.result ?? body).pid : undefined
}

test('a type is answered by one node at a time; when it is killed or stops, another one goes on under a larger fence', {
  skip,
}, async (t) => {
  const { nodes, start, file } = await three(t)
  let next = 0
  const owner = async (): Promise<ServerProcess | undefined> => {
    const [one] = nodes
    const pid = one && (await pidOf(one.url, ++next))
    return nodes.find(({ child }) => child.pid === pid)
  }
  let asking = true
  let answered = 0
  // Everybody asks all the time, by every node that is there.
  const lanes = [0, 1, 2].map(async (lane) => {
    while (asking) {
      const { url } = nodes[lane % nodes.length] ?? { url: '' }
      const pid = await pidOf(url, ++next).catch(() => undefined)
      if (pid !== undefined) answered++
    }
  })
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    let one: ServerProcess | undefined
    await eventually(
      async () => {
        one = await owner().catch(() => undefined)
        return one !== undefined
      },
      'somebody answers',
      patienceMs,
    )
    const before = answered
    const from = performance.now()
    if (round === 1) one?.child.kill('SIGSTOP')
    else await one?.kill()
    const gone = nodes.indexOf(one as ServerProcess)
    nodes.splice(gone, 1)
    await eventually(() => answered > before + 20, 'others answer', patienceMs)
    times.push(Math.round(performance.now() - from))
    if (round === 1) one?.child.kill('SIGCONT')
    nodes.push(round === 1 ? (one as ServerProcess) : await start())
  }
  asking = false
  await Promise.all(lanes)
  t.diagnostic(`${answered} requests, others answered ${times.join(', ')} ms after a node was killed, stopped, killed`)
  const lines = linesOf(file)
  const fences = lines.filter(({ what }) => what === 'begin').map(({ fence }) => fence)
  // Files are written in the order of what happened: a smaller fence after a larger one would be a node that goes on too long.
  assert.deepEqual(
    fences,
    fences.toSorted((a, b) => a - b),
  )
  assert.ok(new Set(fences).size >= 3)
  const byFence = Map.groupBy(lines, ({ fence }) => fence)
  for (const [fence, ran] of byFence) {
    assert.equal(new Set(ran.map(({ pid }) => pid)).size, 1, `fence ${fence} is of one process`)
    let running = 0
    for (const { what } of ran) {
      running += what === 'begin' ? 1 : -1
      assert.ok(running >= 0 && running <= 1, `one at a time under fence ${fence}`)
    }
  }
})

test('holds outlive the node that has the pools, no resource has two holders, and tokens grow', { skip }, async (t) => {
  const { nodes } = await three(t)
  const at = (i: number): string => nodes[i % nodes.length]?.url ?? ''
  const resources = ['a', 'b', 'c']
  await eventually(
    async () => (await ask(at(0), 'POST', '/pools/add', { pool: 'p', resources })).status === 200,
    'the pool',
    patienceMs,
  )
  const kept = await ask(at(1), 'POST', '/pools/acquire?user=kim', { pool: 'p', ttl: 600_000, detached: true })
  assert.equal(kept.status, 200, JSON.stringify(kept.body))
  const owned = async (url: string): Promise<boolean> =>
    /^nitka_pools_owned 1$/m.test(await (await fetch(`${url}/metrics`)).text())
  const ttl = 3_000
  const held = new Map([[kept.body.resources[0].id, { token: kept.body.token, until: Date.parse(kept.body.until) }]])
  const last = new Map<string, number>([[kept.body.resources[0].id, kept.body.token]])
  let asking = true
  let taken = 0
  const wrong: string[] = []
  const lanes = [0, 1, 2, 3].map(async (lane) => {
    while (asking) {
      const { status, body } = await ask(at(lane), 'POST', `/pools/acquire?user=u${lane}`, {
        pool: 'p',
        wait: 500,
        ttl,
      }).catch(() => ({ status: 0, body: undefined }))
      if (status !== 200) continue
      taken++
      const { id } = body.resources[0]
      const [before, until] = [held.get(id), Date.parse(body.until)]
      // One whose time was over before this one's began is only not known to be over here.
      if (before !== undefined && until - ttl < before.until - clockMs)
        wrong.push(`${id} was held by ${before.token} when ${body.token} got it`)
      if ((last.get(id) ?? 0) >= body.token) wrong.push(`${id}: ${body.token} after ${last.get(id)}`)
      held.set(id, { token: body.token, until })
      last.set(id, body.token)
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (held.get(id)?.token === body.token) held.delete(id)
      // Asked until it is known to be over: a second time it is not there any more.
      await eventually(
        async () => {
          const answer = await ask(at(lane), 'POST', `/pools/release?user=u${lane}`, { hold: body.hold }).catch(
            () => undefined,
          )
          return answer !== undefined && (answer.status === 200 || answer.status === 404)
        },
        'the release',
        patienceMs,
      )
    }
  })
  for (let round = 0; round < 2; round++) {
    let one = nodes[0] as ServerProcess
    const found = async (): Promise<boolean> => {
      const owners = await Promise.all(nodes.map(({ url }) => owned(url)))
      one = nodes[owners.indexOf(true)] ?? one
      return owners.includes(true)
    }
    await eventually(found, 'somebody to have the pools', patienceMs)
    const before = taken
    nodes.splice(nodes.indexOf(one), 1)
    await one.kill()
    await eventually(() => taken > before + 20, 'they go on', patienceMs)
  }
  asking = false
  await Promise.all(lanes)
  assert.deepEqual(wrong, [])
  const check = { pool: 'p', resource: kept.body.resources[0].id, token: kept.body.token }
  assert.deepEqual((await ask(at(0), 'POST', '/pools/check?user=kim', check)).body, { held: true })
  assert.equal((await ask(at(0), 'POST', '/pools/release?user=kim', { hold: kept.body.hold })).status, 200)
})

// The connection to Postgres breaks around statements, so that nobody knows whether they were done: whoever repeats under the
// same id doubles nothing and loses nothing.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Appended } from '../src/log/log-store.ts'
import { noCluster, startCluster } from '../testing/cluster.ts'
import { eventually } from '../testing/eventually.ts'
import { LossyLink } from '../testing/lossy-link.ts'
import { NodeProcess } from '../testing/node-process.ts'
import { ask } from '../testing/server.ts'
import { TaskCrew } from '../testing/task-crew.ts'
import { judgeTasks } from '../testing/task-judge.ts'
import { pause } from '../testing/writer.ts'

const skip = noCluster() ?? false
const count = 1_500
const writers = 8

interface Outcomes {
  /** Attempts whose outcome was unknown. */
  unknown: number
  /** Attempts that found what an earlier one had done. */
  repeated: number
}

interface Told {
  readonly room: { readonly id: string; readonly offset: number }[]
  readonly inbox: { readonly id: string; readonly offset: number }[]
  readonly tasks: string[]
}

/** Tries until the outcome is known. Everything but `unavailable` is a fault of the server. */
async function insist<Value>(outcomes: Outcomes, attempt: () => Promise<Value>): Promise<Value> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'unavailable', String((error as Error).cause ?? error))
      outcomes.unknown++
      await pause(20)
    }
  }
}

/** Several at once, each one after the other: `one` gets numbers from 0. */
async function crowd(one: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: writers }, work))
}

test('what is sent, added or both in a batch again after a lost connection to Postgres is there once', {
  skip,
}, async (t) => {
  const cluster = await startCluster(t)
  const link = await LossyLink.start(t, cluster.postgres.port, 5)
  const harmed = await cluster.node({ postgresUrl: through(link, cluster.url) })
  const calm = await cluster.node()
  await calm.rooms.create('ann', { name: 'Tea', id: 'tea', open: true })
  link.every = 12
  const outcomes = { unknown: 0, repeated: 0 }
  const told: Told = { room: [], inbox: [], tasks: [] }
  const noteSent = (log: { id: string; offset: number }[], { id, offsets, repeated }: Appended): void => {
    outcomes.repeated += repeated ? 1 : 0
    log.push({ id, offset: offsets[0] ?? 0 })
  }
  const ways = [
    async (n: number) => {
      noteSent(told.room, await insist(outcomes, () => harmed.rooms.send('ann', 'tea', n, `c${n}`)))
    },
    async (n: number) => {
      const send = { fromUser: 'ann', toUser: 'bob', message: n }
      const { id, repeated, offset } = await insist(outcomes, () => harmed.direct.sendUser(send, `c${n}`))
      noteSent(told.inbox, { id, repeated, offsets: [offset], time: 0 })
    },
    async (n: number) => {
      const [added] = await insist(outcomes, () => harmed.tasks.add([{ payload: { n }, key: `k${n}` }]))
      told.tasks.push(added?.id ?? '')
    },
    async (n: number) => {
      const room = { room: 'tea', from: 'ann', message: n, clientId: `c${n}` }
      const operations = [{ room }, { task: { payload: { n }, key: `k${n}` } }]
      const [sent, added] = await insist(outcomes, () => batch(harmed.url, operations))
      noteSent(told.room, { id: sent.id, repeated: sent.repeated, offsets: [sent.offset], time: 0 })
      told.tasks.push(added.id)
    },
  ]
  await crowd(async (n) => ways[n % ways.length]?.(n))
  link.every = 0
  t.diagnostic(`${outcomes.unknown} outcomes unknown, ${outcomes.repeated} repeats, ${JSON.stringify(link.done)}`)
  assert.ok(outcomes.unknown > 50 && outcomes.repeated > 5, 'outcomes were unknown, and some had been done')
  await assertOnce(calm.url, told)
})

test('tasks whose adding, claiming and reporting have lost outcomes are each done by one worker at a time', {
  skip,
}, async (t) => {
  const cluster = await startCluster(t)
  const link = await LossyLink.start(t, cluster.postgres.port, 6)
  const leaseMs = 1_000
  const flags = ['--lease-ms', String(leaseMs), '--backoff-ms', '50']
  const postgresUrl = through(link, cluster.url)
  const nodes = await Promise.all([0, 1].map(() => NodeProcess.of(t, cluster, { flags, postgresUrl })))
  const crew = new TaskCrew({ nodes, leaseMs, vanishEvery: 40 })
  t.after(() => crew.abandon())
  link.every = 15
  for (const name of ['a', 'b']) crew.add(name)
  for (let i = 0; i < 6; i++) crew.work(i)
  await eventually(() => crew.reported.size > 1_000, 'a thousand tasks', 150_000)
  link.every = 0
  await judgeTasks(t, crew, await cluster.node({ leaseMs, backoffMs: 50 }))
  t.diagnostic(JSON.stringify(link.done))
  for (const node of nodes) node.assertWell()
})

/** Offsets are consecutive, every confirmed one is there with its id, and nothing else is. */
async function assertOnce(url: string, { room, inbox, tasks }: Told): Promise<void> {
  const logs = [
    ['/rooms/tea/messages?user=ann', room],
    ['/ws/history?user=bob', inbox],
  ] as const
  for (const [path, told] of logs) {
    const stored = (await all(url, path, 'messages', '&after=0')).map(({ id, offset }) => ({ id, offset }))
    assert.deepEqual(
      stored,
      told.toSorted((a, b) => a.offset - b.offset),
    )
    const wanted = Array.from(stored, (_, i) => i + 1)
    assert.deepEqual(
      Array.from(stored, ({ offset }) => offset),
      wanted,
    )
  }
  const stored = await all(url, '/tasks?queue=default', 'tasks')
  assert.deepEqual(stored.map(({ id }) => id).toSorted(), tasks.toSorted())
}

/** Every page. @param from where to begin, as a part of the address */
async function all(url: string, path: string, field: string, from = ''): Promise<any[]> {
  const found: any[] = []
  for (let after = from; ; ) {
    const { status, body } = await ask(url, 'GET', `${path}&limit=500${after}`)
    assert.equal(status, 200, JSON.stringify(body))
    found.push(...body[field])
    if (body.next === null) return found
    after = `&after=${body.next}`
  }
}

async function batch(url: string, operations: readonly object[]): Promise<any[]> {
  const { status, body } = await ask(url, 'POST', '/batch', { operations })
  if (status === 201) return body.results
  throw Object.assign(new Error(JSON.stringify(body)), { code: status === 503 ? 'unavailable' : body.code })
}

function through(link: LossyLink, url: string): string {
  return url.replace(/:\d+\//, `:${link.port}/`)
}

// Tasks in Postgres as several nodes see them: claims beside each other, hints and sweeps, a database that dies and comes back.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { cluster, done, task } from '../../../testing/cluster-tasks.ts'
import { eventually } from '../../../testing/eventually.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import type { Ended } from '../../tasks/task-store.ts'
import { realWorld } from '../../world.ts'
import { code } from '../conformance/log-fixtures.ts'
import { InProcessHub } from '../embedded/bus.ts'
import type { ClusterTaskStore } from './task-store.ts'

const { clock } = realWorld()
const skip = noPostgres()
const server = skip === undefined ? await TestPostgres.start({ after }) : undefined
const options = { skip: skip ?? false }

test(
  'two nodes that claim at once share 20,000 tasks: none is lost, none is with two at one time',
  options,
  async (t) => {
    const { open } = await cluster(t, server)
    const nodes = [(await open()).store, (await open()).store]
    const [first] = nodes
    for (let i = 0; i < 20; i++) {
      const some = Array.from({ length: 1_000 }, (_, j) => task(j % 2 === 0 ? {} : { queue: 'g', group: `${j % 50}` }))
      await first?.add(some)
    }
    await first?.configure('g', { groupConcurrency: 3 })
    const held = new Map<string, string>()
    const groups = new Map<string, number>()
    const settled = new Set<string>()
    let overlaps = 0
    let most = 0
    const work = async (node: ClusterTaskStore, worker: string, queue: string): Promise<void> => {
      for (let round = 0; settled.size < 20_000; round++) {
        const leases = await node.claim(queue, worker, 50)
        if (leases.length === 0) {
          await node.refresh()
          if ((node.queues().find((one) => one.queue === queue)?.ready ?? 0) === 0) return
          continue
        }
        for (const { task: one } of leases) {
          if (held.has(one.id) || settled.has(one.id)) overlaps += 1
          held.set(one.id, worker)
          const busy = (groups.get(one.group ?? '') ?? 0) + 1
          groups.set(one.group ?? '', busy)
          if (one.group !== undefined) most = Math.max(most, busy)
        }
        // What is reported is free for others as soon as that is stored, which is before it is heard of here.
        const back = round % 5 === 1 ? leases.slice(0, 1).map(({ task: { id } }) => id) : []
        const reports = leases.map((lease) =>
          back.includes(lease.task.id) ? { ...done(lease), outcome: 'failed' as const } : done(lease),
        )
        for (const { task: one } of leases) {
          held.delete(one.id)
          groups.set(one.group ?? '', (groups.get(one.group ?? '') ?? 0) - 1)
          if (!back.includes(one.id)) settled.add(one.id)
        }
        const { outcomes } = await node.report(reports)
        assert.ok(outcomes.every((outcome) => outcome === 'done' || outcome === 'failed' || outcome === 'dead'))
      }
    }
    await Promise.all(
      nodes.flatMap((node, n) =>
        ['q', 'g'].flatMap((queue) => [1, 2, 3, 4].map((w) => work(node, `${n}.${queue}.${w}`, queue))),
      ),
    )
    assert.equal(overlaps, 0)
    assert.ok(most > 0 && most <= 3, `${most} of a group at one time`)
    await first?.refresh()
    const counts = first?.queues() ?? []
    assert.equal(
      counts.reduce((sum, one) => sum + one.done + one.dead, 0),
      20_000,
    )
    assert.deepEqual(
      counts.map(({ ready, delayed, leased }) => [ready, delayed, leased]),
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
    )
  },
)

test(
  'adds of one key by many nodes at once make one task, and a repeat after a lost answer none',
  options,
  async (t) => {
    const { open } = await cluster(t, server)
    const nodes = [await open(), await open(), await open()]
    const adds = nodes.flatMap(({ store }) =>
      Array.from({ length: 20 }, (_, i) => store.add([task({ key: `a${i}` }), task({ key: `b${20 - i}` })])),
    )
    const answers = (await Promise.all(adds)).flat()
    assert.equal(new Set(answers.map(({ id }) => id)).size, 40)
    assert.equal(answers.filter(({ repeated }) => !repeated).length, 40)
    const again = task()
    const [one, two] = nodes
    await one?.store.add([again])
    await two?.store.add([again])
    await one?.store.refresh()
    assert.equal(one?.store.queues()[0]?.ready, 41)
    await assert.rejects(
      one?.store.add([task({ queue: 'other' }), task({ key: 'a1', payload: '{"n":1}' })]) ?? Promise.resolve(),
      code('conflict'),
    )
    await one?.store.refresh()
    assert.equal(one?.store.queues().length, 1, 'nothing of a refused call is stored')
  },
)

test('a node hears at once of what others add and of leases that others end', options, async (t) => {
  const { open } = await cluster(t, server)
  const [one, two] = [await open({ sweepMs: 3_600_000 }), await open({ sweepMs: 3_600_000 })]
  const ready: string[] = []
  const ended: Ended[] = []
  two.store.onReady = (queue) => ready.push(queue)
  two.store.onEnded = (list) => ended.push(...list)
  await one.store.add([task(), task()])
  await eventually(() => ready.includes('q'), 'the hint')
  const [lease, other] = await two.store.claim('q', 'w', 2)
  assert.ok(lease !== undefined && other !== undefined)
  assert.equal((await one.store.bury(lease.task.id, 'enough')).ended.length, 1)
  await one.store.report([{ id: other.task.id, token: other.token, outcome: 'failed', worker: 'w', reason: 'no' }])
  await eventually(() => ended.length === 2, 'the word of the ends')
  assert.deepEqual(
    ended.map(({ id, worker, how, lost, dead, reason }) => [id, worker, how, lost, dead, reason]),
    [
      [lease.task.id, 'w', 'buried', true, true, 'enough'],
      [other.task.id, 'w', 'failed', false, false, 'no'],
    ],
  )
})

test(
  'what no hint told is found by the sweep: tasks, what is due, leases that ended, workers that are gone',
  options,
  async (t) => {
    const { open } = await cluster(t, server)
    const one = await open({ bus: new InProcessHub().node(), sweepMs: 3_600_000 })
    const two = await open({ bus: new InProcessHub().node(), sweepMs: 3_600_000 })
    const ready: string[] = []
    const ended: Ended[] = []
    let due = 0
    two.store.onReady = (queue) => ready.push(queue)
    two.store.onEnded = (list) => ended.push(...list)
    two.store.onDue = () => due++
    await one.store.add([task(), task({ leaseMs: 1 }), task({ queue: 'later', delayMs: 50_000 })])
    assert.equal(two.store.nextDueMs(), undefined)
    await two.store.swept()
    assert.ok(ready.includes('q') && due > 0 && (two.store.nextDueMs() ?? 0) > 40_000)
    const [lease] = await two.store.claim('q', 'w', 1)
    assert.ok(lease !== undefined)
    await one.store.bury(lease.task.id, 'enough')
    await two.store.swept()
    assert.deepEqual(
      ended.map(({ id, how, lost, dead, reason }) => [id, how, lost, dead, reason]),
      [[lease.task.id, 'buried', true, true, 'enough']],
    )
    // The node of this worker says nothing more: others end its lease by time.
    const [gone] = await one.store.claim('q', 'gone', 1)
    await two.store.swept()
    await eventually(() => (two.store.nextDueMs() ?? 1) <= 0, 'the end of the lease')
    assert.deepEqual(
      (await two.store.expire()).map(({ id, worker }) => [id, worker]),
      [[gone?.task.id, 'gone']],
    )
  },
)

test(
  'a database that is killed under load loses nothing that was acknowledged, and leases run their full length again',
  options,
  async (t) => {
    const own = await TestPostgres.start(t, ['fsync=on'])
    const { open } = await cluster(t, own)
    const { store } = await open({ sweepMs: 100 })
    const acknowledged = new Set<string>()
    const settled = new Set<string>()
    const [kept] = [task({ queue: 'kept', leaseMs: 1_500 })]
    await store.add([kept])
    const [lease] = await store.claim('kept', 'w', 1)
    assert.ok(lease !== undefined)
    let stop = false
    const adding = (async () => {
      while (!stop) {
        const some = Array.from({ length: 20 }, () => task())
        // Unknown outcomes are repeated until they are known: the ids make that harmless.
        for (;;) {
          const added = await store.add(some).catch(() => undefined)
          if (added !== undefined) break
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        for (const { id } of some) acknowledged.add(id)
      }
    })()
    const working = (async () => {
      for (;;) {
        const leases = await store.claim('q', 'x', 30).catch(() => [])
        const { outcomes } = await store.report(leases.map(done)).catch(() => ({ outcomes: [] }))
        for (const [i, outcome] of outcomes.entries()) {
          const id = leases[i]?.task.id ?? ''
          assert.ok(outcome === 'done' && !settled.has(id))
          settled.add(id)
        }
        if (stop && leases.length === 0) return
        if (leases.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })()
    await eventually(() => settled.size > 200, 'some work')
    await own.kill()
    const from = clock.monotonic()
    await eventually(() => clock.monotonic() - from > 1_500, 'the time of a lease')
    const back = clock.now()
    await own.start()
    const before = settled.size
    await eventually(() => settled.size > before + 200, 'work after the start')
    const found = await answered(() => store.get(kept.id))
    assert.equal(found?.state, 'leased')
    assert.ok((found?.until ?? 0) >= back + 1_500, 'a lease whose time went by while the database was away is not over')
    assert.deepEqual((await answered(() => store.report([done(lease)]))).outcomes, ['done'])
    stop = true
    await Promise.all([adding, working])
    for (const id of acknowledged) {
      const state = (await answered(() => store.get(id)))?.state
      // The answer to a claim or a report may have been lost with the connection.
      assert.ok(settled.has(id) ? state === 'done' : state === 'leased' || state === 'done', `${id} is ${state}`)
    }
  },
)

/** Asks until there is an answer: a connection to a server that was killed says so when it is used for the first time since. */
async function answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const answers: Answer[] = []
  const asked = async (): Promise<boolean> => {
    try {
      answers.push(await ask())
    } catch (error) {
      if (!code('unavailable')(error)) throw error
    }
    return answers.length > 0
  }
  await eventually(asked, 'an answer')
  return answers[0] as Answer
}

// What only this engine has: large payloads left on the disk, forgetting, bounds.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdSource } from '@nitka/protocol'
import { SimulatedClock } from '../../../testing/clock.ts'
import { reopenable } from '../../../testing/store-folder.ts'
import { claimBytesMax, type NewTask } from '../../tasks/task-store.ts'
import { code } from '../conformance/log-fixtures.ts'

const ids = new IdSource(() => 1_700_000_000_000, new Uint8Array(8))

function task(more: Partial<NewTask> = {}): NewTask {
  return {
    ...{ id: ids.next(), queue: 'q', payload: '{}', priority: 0, time: 1, delayMs: 0, maxAttempts: 3, leaseMs: 5_000 },
    ...{ backoff: { kind: 'fixed', ms: 0, maxMs: 0 }, ...more },
  }
}

async function open(t: import('node:test').TestContext, options: object = {}) {
  const clock = new SimulatedClock()
  const random = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0.5 }
  const store = await reopenable(t, { world: { clock, random }, durability: 'relaxed', ...options })
  return { clock, tasks: store.engine.tasks, engine: store.engine, reopen: async () => (await store.reopen()).tasks }
}

test('large payloads come whole, over a restart too, and a claim takes no more of them than its bytes', async (t) => {
  const { tasks, reopen } = await open(t)
  const payload = JSON.stringify({ text: 'ü'.repeat(100_000) })
  const added = Array.from({ length: 60 }, (_, i) => task({ payload: payload.replace('üü', `${i}`) }))
  await tasks.add(added)
  const first = await tasks.claim('q', 'w', 1_000)
  const bytes = first.reduce((sum, lease) => sum + Buffer.byteLength(lease.task.payload), 0)
  assert.ok(first.length > 10 && first.length < 60 && bytes <= claimBytesMax)
  const again = await reopen()
  const rest: string[] = []
  for (
    let leases = await again.claim('q', 'w', 1_000);
    leases.length > 0;
    leases = await again.claim('q', 'w', 1_000)
  ) {
    rest.push(...leases.map((lease) => lease.task.payload))
  }
  assert.deepEqual(
    [...first.map((lease) => lease.task.payload), ...rest],
    added.map((one) => one.payload),
  )
})

test('a done task is known for a time and then forgotten, its key a while longer', async (t) => {
  const { tasks, clock, engine } = await open(t, { doneMs: 60_000, dedupeWindowMs: 200_000 })
  const one = task({ key: 'k' })
  await tasks.add([one])
  const report = async () => (await tasks.report([{ id: one.id, outcome: 'done' }])).outcomes[0]
  assert.deepEqual([await report(), await report()], ['done', 'already'])
  clock.advance(59_000)
  await engine.swept()
  assert.equal((await tasks.get(one.id))?.state, 'done')
  clock.advance(2_000)
  await engine.swept()
  assert.equal(await tasks.get(one.id), undefined)
  assert.equal(await report(), 'unknown')
  assert.deepEqual(await tasks.add([task({ key: 'k' })]), [{ id: one.id, repeated: true }])
  clock.advance(200_000)
  await engine.swept()
  assert.equal((await tasks.add([task({ key: 'k' })]))[0]?.repeated, false)
})

test('a queue that is full takes nothing more, whole or not at all, and what is wrong is named', async (t) => {
  const { tasks } = await open(t, { queueTasks: 3 })
  await tasks.add([task(), task({ delayMs: 1_000 })])
  await assert.rejects(tasks.add([task(), task()]), code('overloaded'))
  assert.equal(tasks.queues()[0]?.ready, 1)
  await tasks.add([task(), task({ queue: 'other' })])
  for (const wrong of [
    task({ id: 'x' }),
    task({ queue: '' }),
    task({ payload: '[]' }),
    task({ payload: '{"a":"\ud800"}' }),
    task({ priority: 1_001 }),
    task({ delayMs: -1 }),
    task({ maxAttempts: 0 }),
    task({ leaseMs: 0.5 }),
    task({ key: '' }),
    task({ group: 'x'.repeat(129) }),
    task({ room: 'a\0' }),
  ]) {
    await assert.rejects(tasks.add([task({ queue: 'free' }), wrong]), code('invalid'))
  }
  await assert.rejects(tasks.claim('q', 'w', 0), code('invalid'))
  await assert.rejects(tasks.claim('q', '', 1), code('invalid'))
  assert.deepEqual(
    tasks.queues().map(({ queue }) => queue),
    ['other', 'q'],
  )
})

test('many groups keep their turns and their tasks over a restart', async (t) => {
  const { tasks, reopen } = await open(t)
  await tasks.add(Array.from({ length: 6_000 }, (_, i) => task({ group: `g${i % 600}` })))
  await tasks.configure('q', { groupConcurrency: 2 })
  assert.equal((await tasks.claim('q', 'w', 1_000)).length, 1_000)
  const again = await reopen()
  const rest = await again.claim('q', 'w', 1_000)
  assert.equal(rest.length, 200, 'two of each group are leased')
  assert.deepEqual([again.queues()[0]?.ready, again.queues()[0]?.leased], [4_800, 1_200])
})

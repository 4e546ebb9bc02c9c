import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdSource } from '@nitka/protocol'
import { SimulatedClock } from '../../testing/clock.ts'
import { reopenable } from '../../testing/store-folder.ts'
import type { Ended, Lease } from './task-store.ts'
import { Tasks, type TasksOptions } from './tasks.ts'

const defaults: TasksOptions = {
  ...{ leaseMs: 5_000, maxAttempts: 3, backoffMs: 1_000, backoffMaxMs: 300_000 },
  ...{ payloadBytesMax: 65_536, releaseOnDisconnect: false },
}

/** The service on a real store, by a clock that the test moves. */
async function open(t: import('node:test').TestContext, options: Partial<TasksOptions> = {}) {
  const clock = new SimulatedClock()
  const random = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0.5 }
  const { engine } = await reopenable(t, { world: { clock, random }, durability: 'relaxed' })
  const errors: unknown[] = []
  const progress: unknown[] = []
  const tasks = new Tasks(
    {
      ...{ store: engine.tasks, clock, ids: new IdSource(() => clock.now(), new Uint8Array(8)) },
      onError: (error) => errors.push(error),
      onProgress: (room, told) => progress.push([room, told]),
    },
    { ...defaults, ...options },
  )
  t.after(() => tasks.close())
  let workers = 0
  const work = (batch = 10) => {
    const got: Lease[] = []
    const lost: Ended[] = []
    const seen = { got, lost, silent: 0 }
    const listener = {
      batch: (leases: readonly Lease[]) => void got.push(...leases),
      lost: (ended: Ended) => void lost.push(ended),
      silent: () => void seen.silent++,
    }
    return Object.assign(seen, { work: tasks.work({ id: `w${++workers}`, queue: 'default', batch }, listener) })
  }
  /** Lets the store's answers arrive, and moves the clock. */
  const pass = async (ms = 0) => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(ms)
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    clock.turn()
  }
  const settled = async (done: () => boolean) => {
    // The store is a real one and takes its own time.
    const deadline = performance.now() + 30_000
    while (!done() && performance.now() < deadline) {
      await pass()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.ok(done())
  }
  return { clock, engine, tasks, work, pass, settled, errors, progress }
}

const done = (lease: Lease | undefined) => ({ id: lease?.task.id ?? '', outcome: 'done' as const })

test('a worker hears that it lost a lease within 100 ms of its end, and not before', async (t) => {
  const { tasks, work, pass, settled, clock } = await open(t)
  const { got, lost } = work()
  await tasks.add({ payload: {} })
  await settled(() => got.length === 1)
  const leasedAt = clock.monotonic()
  await pass(4_999 - (clock.monotonic() - leasedAt))
  assert.deepEqual(lost, [])
  await pass(2)
  await settled(() => lost.length === 1)
  assert.ok(clock.monotonic() - leasedAt <= 5_100)
})

test('a worker hears of a lease that another node ended, and is free; that is counted where it was ended', async (t) => {
  const { tasks, work, settled, engine } = await open(t)
  const { got, lost } = work(1)
  await tasks.add({ payload: {} })
  await settled(() => got.length === 1)
  const [lease] = got
  assert.ok(lease !== undefined)
  const { id, queue } = lease.task
  const ended = {
    id,
    queue,
    worker: 'w1',
    attempt: 1,
    token: lease.token,
    how: 'buried',
    lost: true,
    dead: true,
  } as const
  engine.tasks.onEnded?.([ended])
  assert.deepEqual(lost, [ended])
  assert.equal(tasks.lost.buried, 0)
  await tasks.add({ payload: {} })
  await settled(() => got.length === 2)
})

test('who only takes and is not heard of for 30 s beyond a lease is to come back; who reports now and then is not', async (t) => {
  const { tasks, work, settled, pass, clock } = await open(t)
  const quiet = work(1)
  const alive = work(1)
  await tasks.add([1, 2].map(() => ({ payload: {}, maxAttempts: 100 })))
  await settled(() => quiet.got.length + alive.got.length === 2)
  const start = clock.monotonic()
  // It is seen when a lease of the quiet one ends: a turn or two later than 35 s, by when the store has answered.
  for (let i = 1; i < 30 && quiet.silent === 0; i++) {
    await pass(3_900)
    await tasks.report([done(alive.got.at(-1))])
    await tasks.add({ payload: {}, maxAttempts: 100 })
    await settled(() => alive.got.length > i)
    await pass(1_001)
  }
  assert.ok(quiet.silent > 0)
  assert.ok(clock.monotonic() - start >= 34_900)
  assert.equal(alive.silent, 0)
})

test('a worker that went while its claim was under way costs its tasks no attempt', async (t) => {
  const { tasks, work, settled, engine } = await open(t)
  await tasks.add({ payload: {} })
  const { work: going, got } = work()
  going.close()
  await settled(() => engine.tasks.queues()[0]?.ready === 1 && engine.tasks.queues()[0]?.leased === 0)
  assert.equal(got.length, 0)
  const next = work()
  await settled(() => next.got.length === 1)
  const task = await tasks.get(next.got[0]?.task.id ?? '')
  assert.deepEqual([task.failures, task.attempts.length], [0, 1])
})

test('what is delayed, failed or tried again reaches a worker that waits, when its time has come', async (t) => {
  const { tasks, work, settled, pass } = await open(t)
  const { got } = work(1)
  await tasks.add({ payload: {}, delay: 10_000 })
  await pass(9_000)
  assert.equal(got.length, 0)
  await pass(1_001)
  await settled(() => got.length === 1)
  await tasks.report([{ id: got[0]?.task.id ?? '', token: got[0]?.token ?? '', outcome: 'failed', reason: 'no' }])
  await pass(999)
  assert.equal(got.length, 1)
  await pass(501)
  await settled(() => got.length === 2)
  await tasks.bury(got[1]?.task.id ?? '')
  await tasks.retry(got[1]?.task.id ?? '')
  await settled(() => got.length === 3)
  assert.deepEqual(
    got.map(({ attempt }) => attempt),
    [1, 2, 3],
  )
})

test('a queue that is paused gives nothing to those who wait, and goes on when it is resumed', async (t) => {
  const { tasks, work, settled, pass } = await open(t)
  await tasks.configure('default', { paused: true })
  const { got } = work()
  await tasks.add({ payload: {} })
  await pass(50)
  assert.equal(got.length, 0)
  await tasks.configure('default', { paused: false })
  await settled(() => got.length === 1)
})

test('a failing store is asked again, and reported', async (t) => {
  const { tasks, engine, work, settled, pass, errors } = await open(t)
  const { claim } = engine.tasks
  let failures = 0
  engine.tasks.claim = async () => {
    failures += 1
    throw new Error('no disk')
  }
  const { got } = work()
  await tasks.add({ payload: {} })
  await settled(() => failures > 0)
  engine.tasks.claim = claim
  await pass(201)
  await settled(() => got.length === 1)
  assert.match(String(errors[0]), /no disk/)
})

test('progress is kept on the task and told to its room', async (t) => {
  const { tasks, work, settled, progress } = await open(t)
  const { got } = work()
  await tasks.add([{ payload: {}, room: 'tea' }, { payload: {} }])
  await settled(() => got.length === 2)
  for (const { task, token } of got) await tasks.progress(task.id, token, { percent: 5 })
  assert.deepEqual(progress, [['tea', { task: got[0]?.task.id, progress: { percent: 5 } }]])
  await assert.rejects(tasks.progress(got[0]?.task.id ?? '', got[0]?.token ?? '', 'x'.repeat(5_000)), {
    code: 'too-large',
  })
  await assert.rejects(tasks.extend(got[0]?.task.id ?? '', '9.9'), { code: 'conflict' })
})

test('a lease of its own length has that length again when it is extended, unless another one is asked for', async (t) => {
  const { clock, tasks, work, settled } = await open(t)
  const { got } = work()
  await tasks.add({ payload: {}, lease: 60_000 })
  await settled(() => got.length === 1)
  const [{ task, token } = assert.fail()] = got
  assert.equal(await tasks.extend(task.id, token), clock.now() + 60_000)
  assert.equal(await tasks.extend(task.id, token, 1_000), clock.now() + 1_000)
})

// The state machine that holds a task store to its model: random calls, by random workers, over random times, with crashes
// in between. fast-check finds the shortest way to where they differ.

import assert from 'node:assert/strict'
import { IdSource } from '@nitka/protocol'
import fc from 'fast-check'
import type { NewTask, TaskStore } from '../../tasks/task-store.ts'
import { code } from './log-fixtures.ts'
import type { TaskModel, Times } from './task-model.ts'

/** What a run works on. The store is opened on the same data again and again. */
export interface MachineWorld {
  store: TaskStore
  now(): Times
  /** Both clocks move on. */
  tick(ms: number): void
  /** The wall clock alone. */
  jump(ms: number): void
  restart(): Promise<TaskStore>
  /** Makes what `queues` and `nextDueMs` say exact, in an engine in which it may be older. */
  refresh(): Promise<void>
  /** How long keys are remembered. */
  readonly dedupeWindowMs: number
}

type Command = fc.AsyncCommand<TaskModel, MachineWorld>

const command = (text: string, run: (model: TaskModel, world: MachineWorld) => Promise<void>): Command => ({
  check: () => true,
  toString: () => text,
  async run(model, world) {
    await run(model, world)
    await world.refresh()
    model.checkCounts(world.store.queues().find(({ queue }) => queue === model.queue))
    const claimable = model.in('ready').length
    if (claimable === 0) return
    const { ready = 0 } = world.store.queues().find(({ queue }) => queue === model.queue) ?? {}
    assert.equal(ready, claimable)
  },
})

const ids = new IdSource(() => 1_700_000_000_000, new Uint8Array(8))
const workers = ['ann', 'bert', 'carl'] as const
const anyWorker = fc.constantFrom(...workers)

const wish = fc.record({
  priority: fc.constantFrom(0, 0, 0, 5, -5),
  delayMs: fc.constantFrom(0, 0, 0, 700, 40_000),
  group: fc.constantFrom(undefined, undefined, 'g', 'h', 'i'),
  key: fc.constantFrom(undefined, undefined, undefined, 'k', 'l'),
  payload: fc.constantFrom('{}', '{"n":1}'),
  maxAttempts: fc.constantFrom(1, 2, 3),
  leaseMs: fc.constantFrom(1_000, 5_000),
  backoffMs: fc.constantFrom(0, 300),
})

const add = fc.array(wish, { minLength: 1, maxLength: 4 }).map((wishes) =>
  command(`add ${JSON.stringify(wishes)}`, async (model, world) => {
    const tasks = wishes.map(
      ({ group, key, backoffMs: ms, ...rest }): NewTask => ({
        ...{ id: ids.next(), queue: model.queue, time: world.now().wall, backoff: { kind: 'fixed', ms, maxMs: ms } },
        ...rest,
        ...(group === undefined ? {} : { group }),
        ...(key === undefined ? {} : { key }),
      }),
    )
    const expected = model.add(tasks, world.now(), world.dedupeWindowMs)
    if (expected === undefined) return assert.rejects(world.store.add(tasks), code('conflict'))
    assert.deepEqual(await world.store.add(tasks), expected)
  }),
)

const claim = fc.record({ worker: anyWorker, limit: fc.integer({ min: 1, max: 5 }) }).map(({ worker, limit }) =>
  command(`claim ${limit} for ${worker}`, async (model, world) => {
    model.claimed(await world.store.claim(model.queue, worker, limit), worker, limit, world.now())
  }),
)

/** Two workers ask in one moment: what both get must differ. */
const claims = fc.integer({ min: 1, max: 3 }).map((limit) =>
  command(`two claims of ${limit}`, async (model, world) => {
    const both = await Promise.all(['ann', 'bert'].map((worker) => world.store.claim(model.queue, worker, limit)))
    for (const [i, leases] of both.entries()) model.claimed(leases, workers[i] ?? '', limit, world.now())
  }),
)

const report = fc
  .array(
    fc.record({
      pick: fc.nat(20),
      token: fc.constantFrom('current', 'current', 'none', 'old', 'garbage'),
      outcome: fc.constantFrom('done' as const, 'done' as const, 'failed' as const),
      worker: fc.constantFrom(undefined, 'holder', ...workers),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((wishes) =>
    command(`report ${JSON.stringify(wishes)}`, async (model, world) => {
      const reports = wishes.map(({ pick, token: kind, outcome, worker }) => {
        const mine = [...model.tasks.values()][pick]
        const tokens = { current: mine?.tokens.at(-1), none: undefined, old: mine?.tokens.at(-2), garbage: '77.zz' }
        const token = tokens[kind as keyof typeof tokens]
        const who = worker === 'holder' ? mine?.worker || undefined : worker
        return {
          ...{ id: mine?.task.id ?? ids.next(), outcome },
          ...(token === undefined ? {} : { token }),
          ...(who === undefined ? {} : { worker: who }),
        }
      })
      const running = model.in('leased')
      const expected = reports.map(({ id, token, outcome, worker }) =>
        model.report(id, token, outcome, worker, world.now()),
      )
      const { outcomes, ended } = await world.store.report(reports)
      assert.deepEqual(outcomes, expected)
      const over = running.filter(({ state }) => state !== 'leased')
      assert.deepEqual(
        ended.map(({ id, queue, worker, attempt, token, dead }) => [id, queue, worker, attempt, token, dead]).sort(),
        over
          .map((mine) => [
            mine.task.id,
            model.queue,
            mine.worker,
            mine.attempt,
            mine.tokens.at(-1),
            mine.state === 'dead',
          ])
          .sort(),
      )
    }),
  )

const extend = fc.record({ pick: fc.nat(20), current: fc.boolean() }).map(({ pick, current }) =>
  command(`extend ${pick} ${current}`, async (model, world) => {
    const mine = [...model.tasks.values()][pick]
    const token = (current ? mine?.tokens.at(-1) : mine?.tokens.at(-2)) ?? '9.9'
    const id = mine?.task.id ?? ids.next()
    const expected = model.extend(id, token, 3_000, world.now())
    assert.equal((await world.store.extend(id, token, 3_000)) !== undefined, expected)
    assert.equal((await world.store.progress(id, token, '{"percent":5}')) !== undefined, expected)
  }),
)

const release = fc.record({ worker: anyWorker, counts: fc.boolean() }).map(({ worker, counts }) =>
  command(`release ${worker}${counts ? '' : ', as if it had had nothing'}`, async (model, world) => {
    const expected = model.release(worker, counts, world.now())
    model.checkEnded(await world.store.release(worker, counts), expected)
  }),
)

const tick = fc.constantFrom(100, 700, 1_000, 5_000, 60_000).map((ms) =>
  command(`after ${ms} ms`, async (model, world) => {
    world.tick(ms)
    const due = world.store.nextDueMs()
    const expected = model.expire(world.now())
    if (expected.length > 0) assert.ok(due !== undefined && due <= 0, 'what is due is told')
    model.checkEnded(await world.store.expire(), expected)
  }),
)

const jump = fc
  .constantFrom(1_000, 90_000_000)
  .map((ms) => command(`the wall clock jumps ${ms} ms ahead`, async (_model, world) => world.jump(ms)))

const restart = fc.constant(
  command('restart', async (model, world) => {
    world.store = await world.restart()
    model.restart(world.now())
  }),
)

const look = fc.constant(
  command('look at all tasks', async (model, world) => {
    for (const id of model.tasks.keys()) model.checkTask(id, await world.store.get(id))
    for (const state of ['ready', 'leased', 'dead', 'done', 'delayed'] as const) {
      const { tasks } = await world.store.list({ queue: model.queue, state, limit: 500 })
      if (tasks.length > 0 || state === 'dead' || state === 'leased') {
        assert.deepEqual(
          tasks.map(({ id }) => id).sort(),
          model
            .in(state)
            .map(({ task }) => task.id)
            .sort(),
        )
      }
    }
  }),
)

const byHand = fc
  .constantFrom('retry', 'drop', 'bury', 'purge', 'pause', 'resume', 'one each', 'ordered', 'free')
  .map((what) =>
    command(what, async (model, world) => {
      const { store } = world
      const all = { queue: model.queue, limit: 1_000 }
      if (what === 'retry') return assert.equal(await store.retry(all), model.retry())
      if (what === 'drop') return assert.equal(await store.drop(all), model.remove(model.in('dead')))
      if (what === 'purge') {
        return assert.equal(
          await store.purge(model.queue, 1_000),
          model.remove([...model.in('ready'), ...model.in('delayed')]),
        )
      }
      if (what === 'bury') {
        const id = [...model.tasks.keys()].at(-1) ?? ids.next()
        return assert.equal((await store.bury(id, 'enough')).buried, model.bury(id))
      }
      const settings = {
        pause: { paused: true },
        resume: { paused: false },
        'one each': { groupConcurrency: 1, ordered: false },
        ordered: { ordered: true },
        free: { groupConcurrency: 0, ordered: false, paused: false },
      }[what]
      Object.assign(model, settings)
      const { paused, groupConcurrency, ordered } = model
      assert.deepEqual(await store.configure(model.queue, settings ?? {}), { paused, groupConcurrency, ordered })
    }),
  )

/** Runs of random calls. Each begins with an empty queue. */
export const taskRuns = (size: 'small' | 'medium'): fc.Arbitrary<Iterable<Command>> =>
  fc.commands(
    [add, add, claim, claim, claims, report, report, extend, release, tick, tick, jump, restart, look, byHand],
    {
      size: size === 'small' ? '-1' : '=',
      maxCommands: 60,
    },
  )

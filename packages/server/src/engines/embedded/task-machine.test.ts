import { test } from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../../testing/clock.ts'
import { reopenable } from '../../../testing/store-folder.ts'
import type { Clock } from '../../world.ts'
import { type MachineWorld, taskRuns } from '../conformance/task-machine.ts'
import { TaskModel } from '../conformance/task-model.ts'

const runs = Number(process.env.NITKA_RUNS ?? 1) * 2_000
const dedupeWindowMs = 24 * 60 * 60 * 1_000

test('whatever workers, time and crashes do, tasks are never lost, never with two, and never come back when done', async (t) => {
  const clock = new SimulatedClock()
  let ahead = 0
  const wall = (): number => clock.now() + ahead
  const skewed: Clock = {
    now: wall,
    monotonic: () => clock.monotonic(),
    soon: (task) => clock.soon(task),
    after: (ms, task) => clock.after(ms, task),
    every: (ms, task) => clock.every(ms, task),
  }
  const random = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0.5 }
  const options = {
    ...{ world: { clock: skewed, random }, dedupeWindowMs, durability: 'relaxed' as const },
    doneMs: Number.MAX_SAFE_INTEGER,
  }
  let opened = await reopenable(t, options)
  const world: MachineWorld = {
    store: opened.engine.tasks,
    dedupeWindowMs,
    now: () => ({ wall: wall(), monotonic: clock.monotonic() }),
    tick: (ms) => clock.advance(ms),
    jump: (ms) => {
      ahead += ms
    },
    restart: async () => (await opened.reopen()).tasks,
    refresh: async () => undefined,
  }
  let queues = 0
  await fc.assert(
    fc.asyncProperty(taskRuns('medium'), async (commands) => {
      // Each run has a queue of its own; what others left is there too, up to a point.
      if (++queues % 300 === 0) {
        opened = await reopenable(t, options)
        world.store = opened.engine.tasks
      }
      const model = new TaskModel(`q${queues}`)
      await fc.asyncModelRun(() => ({ model, real: world }), commands)
    }),
    { numRuns: runs, endOnFailure: false },
  )
})

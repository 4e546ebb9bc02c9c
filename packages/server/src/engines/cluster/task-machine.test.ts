// The tasks of the cluster against the model that every engine is held to.

import { after, test } from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../../testing/clock.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { type MachineWorld, taskRuns } from '../conformance/task-machine.ts'
import { TaskModel } from '../conformance/task-model.ts'
import { InProcessHub } from '../embedded/bus.ts'
import { Database } from './database.ts'
import { migrate } from './migrate.ts'
import { ClusterTaskStore } from './task-store.ts'

const runs = Number(process.env.NITKA_RUNS ?? 1) * 400
const dedupeWindowMs = 24 * 60 * 60 * 1_000

test('whatever workers, time and restarts do, tasks in Postgres are never lost, never with two, and never come back when done', {
  skip: noPostgres() ?? false,
}, async (t) => {
  const server = await TestPostgres.start({ after })
  // One connection: what is sent on it is done in its order, so the database's clock moves with the other one.
  const url = await server.database()
  const database = new Database({ url, clock: realWorld().clock, connectionsMax: 1, statementMs: 10_000 })
  t.after(() => database.close())
  await migrate(database)
  const clock = new SimulatedClock()
  const show = (): Promise<void> => database.script(`set nitka.clock_ms = '${clock.now()}'`)
  await show()
  const bus = new InProcessHub().node()
  const open = (): Promise<ClusterTaskStore> =>
    ClusterTaskStore.open({
      ...{ database, clock, bus, node: 'n', dedupeWindowMs, doneMs: Number.MAX_SAFE_INTEGER / 2 },
      ...{ queueTasksMax: 0, awayMs: 0, sweepMs: 3_600_000 },
    })
  let store = await open()
  const pass = (ms: number): void => {
    clock.advance(ms)
    void show()
  }
  const world: MachineWorld = {
    store,
    dedupeWindowMs,
    now: () => ({ wall: clock.now(), monotonic: clock.monotonic() }),
    tick: pass,
    // Leases are by the database's clock, too: it may jump, and they end with it.
    jump: pass,
    restart: async () => {
      await store.close()
      await database.run("update nitka.task_clock set started = started - interval '1 second'")
      store = await open()
      return store
    },
    refresh: () => store.refresh(),
  }
  t.after(() => store.close())
  let queues = 0
  await fc.assert(
    fc.asyncProperty(taskRuns('medium'), async (commands) => {
      // Each run has a queue of its own; what others left is there too, up to a point.
      if (++queues % 300 === 0)
        await database.script('truncate nitka.tasks, nitka.task_changes, nitka.task_counts, nitka.task_queues')
      const model = new TaskModel(`q${queues}`)
      await fc.asyncModelRun(() => ({ model, real: world }), commands)
    }),
    { numRuns: runs, endOnFailure: true },
  )
})

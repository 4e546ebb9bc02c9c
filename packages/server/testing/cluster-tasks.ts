// What tests of tasks in Postgres open: nodes on one database, or one node whose database's time stands still.

import type { TestContext } from 'node:test'
import { IdSource } from '@nitka/protocol'
import { Database } from '../src/engines/cluster/database.ts'
import { migrate } from '../src/engines/cluster/migrate.ts'
import { ClusterTaskStore, type ClusterTaskStoreParts } from '../src/engines/cluster/task-store.ts'
import { InProcessHub } from '../src/engines/embedded/bus.ts'
import type { Lease, NewTask } from '../src/tasks/task-store.ts'
import { realWorld } from '../src/world.ts'
import type { TestPostgres } from './postgres.ts'

const { clock } = realWorld()
const ids = new IdSource(() => clock.now(), new Uint8Array(8))

export function task(more: Partial<NewTask> = {}): NewTask {
  return {
    ...{ id: ids.next(), queue: 'q', payload: '{}', priority: 0, time: 1, delayMs: 0, maxAttempts: 3, leaseMs: 60_000 },
    ...{ backoff: { kind: 'fixed', ms: 0, maxMs: 0 }, ...more },
  }
}

export const done = ({ task: { id }, token }: Lease) => ({ id, token, outcome: 'done' as const })

/** A database of its own, and nodes on it that hear each other. */
export async function cluster(t: TestContext, server: TestPostgres | undefined) {
  const url = (await server?.database()) ?? ''
  const hub = new InProcessHub()
  let nodes = 0
  const open = async (options: Partial<ClusterTaskStoreParts> = {}) => {
    const database = new Database({ url, clock, connectionsMax: 4, statementMs: 10_000 })
    t.after(() => database.close())
    if (++nodes === 1) await migrate(database)
    const store = await ClusterTaskStore.open({
      ...{ database, clock, bus: hub.node(), node: `n${nodes}`, dedupeWindowMs: 86_400_000, doneMs: 3_600_000 },
      ...{ queueTasksMax: 0, ...options },
    })
    t.after(() => store.close())
    return { store, database }
  }
  /** A program of one's own on the same database, with one connection. */
  const application = (): Database => {
    const database = new Database({ url, clock, connectionsMax: 1, statementMs: 10_000 })
    t.after(() => database.close())
    return database
  }
  return { open, application }
}

/** One connection whose database stands still in time until it is moved. */
export async function frozen(
  t: TestContext,
  server: TestPostgres | undefined,
  options: Partial<ClusterTaskStoreParts> = {},
) {
  const url = (await server?.database()) ?? ''
  const database = new Database({ url, clock, connectionsMax: 1, statementMs: 10_000 })
  t.after(() => database.close())
  await migrate(database)
  let now = 1_800_000_000_000
  const pass = (ms: number): Promise<void> => {
    now += ms
    return database.script(`set nitka.clock_ms = '${now}'`)
  }
  await pass(0)
  await database.run('update nitka.task_clock set beat = nitka.now_ms()')
  const bus = new InProcessHub().node()
  const store = await ClusterTaskStore.open({
    ...{ database, clock, bus, node: 'n', dedupeWindowMs: 200_000, doneMs: 60_000, queueTasksMax: 3, ...options },
    sweepMs: 3_600_000,
  })
  t.after(() => store.close())
  return { store, database, pass }
}

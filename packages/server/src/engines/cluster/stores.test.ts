// The stores of the cluster against the suites that every engine passes, on a Postgres of their own.

import { after, type TestContext } from 'node:test'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { Backlog } from '../backlog.ts'
import { logStoreFollowsModel } from '../conformance/log-model.ts'
import { logStoreConforms } from '../conformance/log-store.ts'
import { poolStoreConformance } from '../conformance/pool-store.ts'
import { roomDirectoryConforms } from '../conformance/room-directory.ts'
import { Database } from './database.ts'
import { ClusterLogStore } from './log-store.ts'
import { migrate } from './migrate.ts'
import { ClusterPoolStore } from './pool-store.ts'
import { ClusterRoomDirectory } from './room-directory.ts'

const { clock } = realWorld()
const skip = noPostgres()
const server = skip === undefined ? await TestPostgres.start({ after }) : undefined

function openDatabase(t: TestContext, url: string): Database {
  const database = new Database({ url, clock, connectionsMax: 4, statementMs: 10_000 })
  t.after(() => database.close())
  return database
}

async function open(t: TestContext): Promise<{ database: Database; reopen: () => Database }> {
  const url = (await server?.database()) ?? ''
  const database = openDatabase(t, url)
  await migrate(database)
  return { database, reopen: () => openDatabase(t, url) }
}

function logsOf(database: Database): ClusterLogStore {
  return new ClusterLogStore({
    database,
    counters: { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: 0, queuedBytes: 0 },
    epoch: 'epoch',
    dedupeWindowMs: 86_400_000,
    committed: () => undefined,
    ...{ now: () => clock.monotonic(), clock, lockedMs: 3_000 },
    backlog: new Backlog(),
  })
}

if (skip !== undefined) console.log(`not tested: ${skip}`)
else {
  logStoreConforms('cluster', async (t) => {
    const { database, reopen } = await open(t)
    return { logs: logsOf(database), reopen: async () => logsOf(reopen()) }
  })

  logStoreFollowsModel('cluster', async (t) => {
    const { database, reopen } = await open(t)
    return { logs: logsOf(database), reopen: async () => logsOf(reopen()) }
  })

  roomDirectoryConforms('cluster', async (t) => {
    const { database, reopen } = await open(t)
    return { rooms: new ClusterRoomDirectory(database), reopen: async () => new ClusterRoomDirectory(reopen()) }
  })

  poolStoreConformance(async (t) => {
    const { database, reopen } = await open(t)
    return { pools: new ClusterPoolStore(database), reopen: async () => new ClusterPoolStore(reopen()) }
  })
}

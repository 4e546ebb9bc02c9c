// A cluster of a test's own: Postgres, NATS, and nodes in this process.

import type { TestContext } from 'node:test'
import type { Wishes } from '../src/config.ts'
import { createServer, type Server } from '../src/server.ts'
import { noNats, TestNats } from './nats.ts'
import { noPostgres, TestPostgres } from './postgres.ts'

/** Why tests with a cluster cannot run here; undefined when they can, or when they must. */
export function noCluster(): string | undefined {
  return noPostgres() ?? noNats()
}

export interface TestCluster {
  readonly postgres: TestPostgres
  readonly nats: TestNats
  /** Of its database. */
  readonly url: string
  /** One more node, on free ports; stopped with the test. */
  node(wishes?: Wishes): Promise<Server>
}

/** Starts Postgres and NATS. @param wishes of every node */
export async function startCluster(t: TestContext, wishes: Wishes = {}): Promise<TestCluster> {
  // What was started last ends first.
  const ends: (() => Promise<void>)[] = []
  t.after(async () => {
    await Promise.all(ends.splice(2).map((end) => end()))
    await Promise.all(ends.map((end) => end()))
  })
  const services = { after: (end: () => Promise<void>) => void ends.push(end) }
  const [postgres, nats] = await Promise.all([TestPostgres.start(services), TestNats.start(services)])
  const url = await postgres.database()
  const node = async (own: Wishes = {}): Promise<Server> => {
    const server = await createServer({
      ...{ port: 0, socketPort: 0, postgresUrl: url, natsUrl: nats.url, logLevel: 'fatal', rate: 0 },
      ...wishes,
      ...own,
    })
    ends.push(() => server.stop(0))
    return server
  }
  return { postgres, nats, url, node }
}

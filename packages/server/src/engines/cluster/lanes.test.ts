// An application keeps logs locked in a transaction of its own, on a real Postgres: who needs them waits, nobody else does.

import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { Backlog } from '../backlog.ts'
import { room, single, user } from '../conformance/log-fixtures.ts'
import { Database } from './database.ts'
import { ClusterLogStore } from './log-store.ts'
import { migrate } from './migrate.ts'

const { clock } = realWorld()
const skip = noPostgres() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined

async function open(t: TestContext, lockedMs: number) {
  const url = (await server?.database()) ?? ''
  const connect = (connectionsMax: number): Database => {
    const database = new Database({ url, clock, connectionsMax, statementMs: 20_000 })
    t.after(() => database.close())
    return database
  }
  const [database, application] = [connect(4), connect(1)]
  await migrate(database)
  const logs = new ClusterLogStore({
    ...{ database, clock, lockedMs, backlog: new Backlog(), epoch: 'e', dedupeWindowMs: 1_000 },
    counters: { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: 0, queuedBytes: 0 },
    ...{ committed: () => undefined, now: () => clock.monotonic() },
  })
  const bodies = async (name: string): Promise<readonly string[]> =>
    (await logs.read(room(name), { after: 0, limit: 100 })).entries.map(({ body }) => body)
  return { database, application, logs, bodies }
}

test('what an application keeps locked others wait for, in order, and what does not need it goes on', {
  skip,
}, async (t) => {
  const { database, application, logs, bodies } = await open(t, 60_000)
  for (const name of ['tea', 'rum']) await logs.append([single(room(name), 'first')])
  await application.run('begin')
  await application.run(`select from nitka.logs where id = 'tea' for update`)
  await application.run(`select nitka.send_direct('ann', 'new', '"from the application"')`)

  const waiting = new Set<number>()
  const aside = Array.from({ length: 5 }, (_, i) => {
    waiting.add(i)
    // The second needs both logs: what comes to the other one behind it waits too.
    const entries = i === 1 ? [single(room('tea'), `${i}`), single(room('gin'), `${i}`)] : [single(room('tea'), `${i}`)]
    return logs.append(entries).finally(() => waiting.delete(i))
  })
  const fresh = logs.append([single(user('new'), 'fresh')])
  const behind = logs.append([single(room('gin'), 'behind')])
  await Promise.all(Array.from({ length: 20 }, (_, i) => logs.append([single(room(i % 2 ? 'rum' : `n${i}`), `${i}`)])))
  await logs.append([single(room('rum'), 'last')])
  assert.deepEqual([...waiting], [0, 1, 2, 3, 4])
  assert.equal(database.trouble, undefined)
  assert.equal(database.failures, 0)

  await application.run('commit')
  await Promise.all([...aside, fresh, behind])
  assert.deepEqual(await bodies('tea'), ['first', '0', '1', '2', '3', '4'])
  assert.deepEqual(await bodies('gin'), ['1', 'behind'])
  assert.equal((await bodies('rum')).length, 12)
  const { entries } = await logs.read(user('new'), { after: 0, limit: 10 })
  assert.deepEqual(
    entries.map(({ offset }) => offset),
    [1, 2],
  )
  await logs.append([single(room('tea'), 'after')])
  assert.equal((await bodies('tea')).at(-1), 'after')
})

test('what stays locked for too long is refused, and nothing of it is stored', { skip }, async (t) => {
  const { application, logs, bodies } = await open(t, 1_000)
  await logs.append([single(room('tea'), 'first')])
  await application.run('begin')
  await application.run(`select from nitka.logs where id = 'tea' for update`)
  const refused = assert.rejects(logs.append([single(room('tea'), 'never')]), {
    code: 'unavailable',
    message: /nothing was done/,
  })
  await logs.append([single(room('rum'), 'x')])
  await refused
  await application.run('rollback')
  await logs.append([single(room('tea'), 'second')])
  assert.deepEqual(await bodies('tea'), ['first', 'second'])
  await logs.idle()
})

// What changed in Postgres since a node looked last: nothing stored is passed over, however late its transaction ends.

import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { eventually, startPatience } from '../../../testing/eventually.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import type { Changes } from '../../log/log-store.ts'
import { realWorld } from '../../world.ts'
import { Backlog } from '../backlog.ts'
import { room, single } from '../conformance/log-fixtures.ts'
import { Database } from './database.ts'
import { ClusterLogStore } from './log-store.ts'
import { migrate } from './migrate.ts'

const { clock } = realWorld()
const skip = noPostgres() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined

async function open(t: TestContext) {
  const url = (await server?.database()) ?? ''
  const connect = (): Database => {
    const database = new Database({ url, clock, connectionsMax: 1, statementMs: 20_000 })
    t.after(() => database.close())
    return database
  }
  const database = connect()
  await migrate(database)
  const counters = { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: 0, queuedBytes: 0 }
  const backlog = new Backlog()
  const parts = {
    database,
    counters,
    backlog,
    epoch: 'e',
    dedupeWindowMs: 1_000,
    committed: () => undefined,
    ...{ now: () => 0, clock, lockedMs: 3_000 },
  }
  const logs = new ClusterLogStore(parts)
  const say = (name: string): Promise<unknown> => logs.append([single(room(name), 'x')])
  const changes = (mark: string | undefined): Promise<Changes> => logs.changes(mark, 10_000)
  return { database, connect, logs, say, changes }
}

const told = ({ logs }: Changes): Record<string, number> | undefined =>
  logs && Object.fromEntries(logs.map(({ log, head }) => [`${log.kind} ${log.id}`, head]))

/** The mark with larger numbers of transactions. */
const ahead = (mark: string, by: bigint): string =>
  mark.replace(/^(\d+):(\d+)/, (_, oldest, next) => `${BigInt(oldest) + by}:${BigInt(next) + by}`)

test('the logs with new entries are told with their heads, and once the mark moved on, no more', {
  skip,
}, async (t) => {
  const { logs, say, changes } = await open(t)
  await say('before')
  const first = await changes(undefined)
  assert.equal(first.logs, undefined)
  for (const name of ['a', 'b', 'a']) await say(name)
  await logs.move([{ log: room('c'), name: 'read', offset: 1, time: 1 }])
  const second = await changes(first.mark)
  assert.deepEqual(told(second), { 'room a': 2, 'room b': 1 })
  assert.deepEqual(told(await changes(second.mark)), {})
  assert.deepEqual(told(await changes(first.mark)), { 'room a': 2, 'room b': 1 })
})

test('what a transaction stored before the mark and confirmed after it is told', { skip }, async (t) => {
  const { connect, say, changes } = await open(t)
  const other = connect()
  await other.run('begin')
  await other.run(`select nitka.send_direct('ann', 'bert', '"late"')`)
  await say('a')
  let { mark } = await changes(undefined)
  for (let i = 0; i < 3; i++) {
    await say('a')
    const next = await changes(mark)
    assert.deepEqual(told(next), { 'room a': i + 2 })
    mark = next.mark
  }
  await other.run('commit')
  const last = await changes(mark)
  assert.deepEqual(told(last), { 'user ann': 1, 'user bert': 1 }, 'and nothing twice')
  assert.deepEqual(told(await changes(last.mark)), {})
})

test('what a dump brought of transactions that are not reached yet is not told', { skip }, async (t) => {
  const { database, say, changes } = await open(t)
  await say('a')
  const { mark } = await changes(undefined)
  await database.run(`insert into nitka.changes values ('1000000000', (select no from nitka.logs))`)
  assert.deepEqual(told(await changes(mark)), {})
})

test('what was rolled back is not told', { skip }, async (t) => {
  const { connect, changes } = await open(t)
  const { mark } = await changes(undefined)
  const other = connect()
  await other.run('begin')
  await other.run(`select nitka.send_direct('ann', 'bert', '"never"')`)
  await other.run('rollback')
  assert.deepEqual(told(await changes(mark)), {})
})

test('more than is worth telling, and what is forgotten or of another past, has to be compared', {
  skip,
}, async (t) => {
  const { database, say, changes } = await open(t)
  const { mark } = await changes(undefined)
  await say('a')
  await database.run(`insert into nitka.changes select pg_current_xact_id(), 1 from generate_series(1, 10000)`)
  const many = await changes(mark)
  assert.equal(many.logs, undefined)
  assert.deepEqual(told(await changes(many.mark)), {})

  const forget = (): Promise<readonly { removed: number }[]> =>
    database.run<{ removed: number }>(`select nitka.tidy_changes('0 seconds', 7000) as removed`)
  await say('b')
  // What is forgotten next is settled first, and then removed in pieces.
  const removed: number[] = []
  for (let i = 0; i < 4; i++) removed.push(...(await forget()).map((one) => one.removed))
  assert.deepEqual(removed, [0, 7_000, 3_002, 0])
  assert.equal((await changes(mark)).logs, undefined)
  assert.deepEqual(told(await changes((await changes(many.mark)).mark)), {})

  assert.equal((await changes(ahead(many.mark, 1_000_000n))).logs, undefined)
})

test('a mark of a database whose place a copy took that was behind is not believed, even when its number is reached', {
  skip,
}, async (t) => {
  const { database, say, changes } = await open(t)
  const { mark } = await changes(undefined)
  // Unlogged tables are empty in a copy.
  await database.run('truncate nitka.changes, nitka.changes_kept')
  await database.run(`select nitka.tidy_changes('30 seconds', 1)`)
  for (let i = 0; i < 20; i++) await say('a')
  assert.equal((await changes(ahead(mark, 10n))).logs, undefined)
})

test('after a crash of Postgres nothing is taken for unchanged, until it is known again', { skip }, async (t) => {
  const { database, say, changes } = await open(t)
  const { mark } = await changes(undefined)
  await say('a')
  await server?.kill()
  await server?.start()
  let after: Changes | undefined
  const asked = async (): Promise<boolean> => {
    after = await changes(mark).catch(() => undefined)
    return after !== undefined
  }
  await eventually(asked, 'the database', startPatience)
  assert.equal(after?.logs, undefined)
  await database.run(`select nitka.tidy_changes('30 seconds', 1)`)
  const { mark: next } = await changes(undefined)
  await say('a')
  assert.deepEqual(told(await changes(next)), { 'room a': 2 })
})

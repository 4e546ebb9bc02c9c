// Statements on a large database read as much of it as they need, not as much as there is. Counted in pages of 8 KiB that
// Postgres looked at, so that the machine does not matter.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { Database } from './database.ts'
import { migrate } from './migrate.ts'

const { clock } = realWorld()
const skip = noPostgres() ?? false

/** A log of 40,000 entries among 2,000 short ones, and as much of what is kept for a day. */
const large = [
  `insert into nitka.logs (kind, id, head) select 'room', 'short' || i, 3 from generate_series(1, 2000) i`,
  `insert into nitka.logs (kind, id, head) values ('user', 'long', 40000)`,
  `insert into nitka.entries (log, "offset", id, time, sender, body, thread, counted)
     select l.no, i, l.id || '.' || i, 1, 'ann', repeat('b', 150), case i when 9 then 'u:once' else 'u:' || i % 2 end, i
       from nitka.logs l cross join lateral generate_series(1, l.head) i`,
  `insert into nitka.sent (log, sender, client_id, hash, id, time, offsets)
     select 1, 'ann', i::text, '', '', 1, '{1}' from generate_series(1, 40000) i`,
  `insert into nitka.removals (room, user_name, at)
     select 'r' || i, 'u', clock_timestamp() - interval '1 hour' from generate_series(1, 40000) i`,
  `insert into nitka.presence (room, user_name, node, version, online, changed)
     select 'r' || i, 'u', 'node' || i % 3, i, true, clock_timestamp() - interval '1 hour' from generate_series(1, 40000) i`,
  `insert into nitka.presence_nodes (node) values ('node0'), ('node1'), ('node2')`,
  `insert into nitka.changes select ('100000' || i)::xid8, 1 from generate_series(1, 9) i, generate_series(1, 4000)`,
  'analyze',
]

const read = (range: string): string => `select * from nitka.read('user', 'long', ${range}, 1048576)`

const statements: Readonly<Record<string, string>> = {
  'the first page': read('0, null, 50, null'),
  'the last page': read('null, 40001, 50, null'),
  'the first page of a thread': read(`0, null, 50, 'u:1'`),
  'the last page of a thread': read(`null, 40001, 50, 'u:1'`),
  'a page of a thread of one entry': read(`null, 40001, 50, 'u:once'`),
  'removing what is old when nothing is': `select nitka.tidy('24 hours', 5000)`,
  'removing presence when nobody left': 'select nitka.tidy_presence()',
  'what changed lately': `select * from nitka.changes(pg_current_snapshot()::text, 10000)`,
  'what changed lately, while transactions of long ago are open': `select * from nitka.changes('5:9:5,6,7', 10000)`,
  'a removal of a member': `delete from nitka.members where room = 'none' and user_name = 'u'`,
}

const server = skip === false ? await TestPostgres.start({ after }) : undefined

test('statements on a large database read few pages', { skip }, async (t) => {
  // One connection: what it has planned, it keeps.
  const url = (await server?.database()) ?? ''
  const database = new Database({ url, clock, connectionsMax: 1, statementMs: 60_000 })
  t.after(() => database.close())
  await migrate(database)
  for (const statement of large) await database.run(statement)
  for (const [name, statement] of Object.entries(statements)) {
    await t.test(name, async () => {
      // The first time that a function runs, it looks up what it is made of.
      for (let i = 0; i < 8; i++) await pagesOf(database, statement)
      const pages = await pagesOf(database, statement)
      assert.ok(pages < 150, `${pages} pages`)
    })
  }
})

async function pagesOf(database: Database, statement: string): Promise<number> {
  const rows = await database.run<Record<string, string>>(`explain (analyze, buffers) ${statement}`)
  const [line = ''] = rows.flatMap((row) => Object.values(row)).filter((text) => text.includes('Buffers:'))
  return [...line.matchAll(/(?:hit|read)=(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
}

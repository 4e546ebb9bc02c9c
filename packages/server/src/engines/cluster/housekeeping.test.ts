// What is no longer needed goes, also beside applications that keep locked what they changed.

import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { eventually } from '../../../testing/eventually.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { Database } from './database.ts'
import { Housekeeping } from './housekeeping.ts'
import { migrate } from './migrate.ts'

const { clock, random } = realWorld()
const skip = noPostgres() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined

async function open(t: TestContext) {
  const url = (await server?.database()) ?? ''
  const connect = (): Database => {
    const database = new Database({ url, clock, connectionsMax: 1, statementMs: 5_000 })
    t.after(() => database.close())
    return database
  }
  const [database, application] = [connect(), connect()]
  await migrate(database)
  const tidy = async (): Promise<number | undefined> =>
    (await database.run<{ removed: number }>(`select nitka.tidy('1 day', 1000) as removed`))[0]?.removed
  return { database, application, connect, tidy }
}

const old = `clock_timestamp() - interval '2 days'`

test('a trimmed log that is locked keeps nothing else from going, and has its turn later', { skip }, async (t) => {
  const { database, application, tidy } = await open(t)
  await database.run(`select nitka.send_direct('ann', 'bert', '"x"')`)
  await database.run(
    `with l as (update nitka.logs set first = 2 returning no) insert into nitka.trims select no from l`,
  )
  await database.run(
    `insert into nitka.sent (log, sender, client_id, hash, id, time, offsets, stored) values (9, 'a', 'b', '', '', 1, '{1}', ${old})`,
  )
  await application.run('begin')
  await application.run(`select from nitka.logs for update`)
  assert.equal(await tidy(), 3, 'two entries and a client id')
  assert.equal((await database.run('select from nitka.trims')).length, 2)
  await application.run('commit')
  assert.equal(await tidy(), 0)
  assert.equal((await database.run('select from nitka.trims')).length, 0)
})

test('a client id that is used again while it is forgotten stays', { skip }, async (t) => {
  const { database, application, connect, tidy } = await open(t)
  await database.run(
    `insert into nitka.sent (log, sender, client_id, hash, id, time, offsets, stored) values (9, 'a', 'b', '', '', 1, '{1}', ${old})`,
  )
  await application.run('begin')
  await application.run('update nitka.sent set stored = clock_timestamp()')
  const tidied = tidy()
  const watcher = connect()
  // It waits, or is done beside it.
  let done = false
  void tidied.then(() => {
    done = true
  })
  await eventually(
    async () => done || (await watcher.run(`select from pg_stat_activity where wait_event_type = 'Lock'`)).length > 0,
    'it is at it',
  )
  await application.run('commit')
  await tidied
  assert.equal((await database.run('select from nitka.sent')).length, 1)
})

test('for how long the oldest transaction is open is known', { skip }, async (t) => {
  const { database, application } = await open(t)
  const housekeeping = new Housekeeping({ database, clock, random, dedupeWindowMs: 1_000 })
  t.after(() => housekeeping.close())
  const oldest = async (): Promise<number> => {
    await housekeeping.run()
    return housekeeping.oldestTransactionMs
  }
  await application.run('begin')
  await application.run('select 1')
  await eventually(async () => (await oldest()) > 300, 'it is open for some time')
  await application.run('commit')
  assert.ok((await oldest()) < 300)
})

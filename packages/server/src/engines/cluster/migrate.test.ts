// The schema is made once, however many nodes start at once, and is not touched by a node that is too old.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { Database } from './database.ts'
import { migrate } from './migrate.ts'

const skip = noPostgres() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined
const { clock } = realWorld()

test('nodes that start together make the schema once', { skip }, async (t) => {
  const url = (await server?.database()) ?? ''
  const nodes = Array.from({ length: 5 }, () => new Database({ url, clock, connectionsMax: 1, statementMs: 20_000 }))
  t.after(() => Promise.all(nodes.map((node) => node.close())))
  await Promise.all(nodes.map((node) => migrate(node)))
  const [first] = nodes
  const applied = await first?.run<{ version: number }>('select version from nitka.migrations order by version')
  assert.deepEqual(
    applied?.map(({ version }) => version),
    applied?.map((_, i) => i + 1),
  )
  const metas = await first?.run<{ epoch: string }>('select epoch from nitka.meta')
  assert.equal(metas?.length, 1)
})

test('a schema of a newer version is left alone, and said to be newer', { skip }, async (t) => {
  const url = (await server?.database()) ?? ''
  const database = new Database({ url, clock, connectionsMax: 1, statementMs: 20_000 })
  t.after(() => database.close())
  await migrate(database)
  await database.run("insert into nitka.migrations (version, name, needs) values (1000, 'of the future', 999)")
  await assert.rejects(migrate(database), { code: 'invalid', message: /the schema 1000, which needs .* knows 999/ })
})

test('a schema of a newer version that says so is used', { skip }, async (t) => {
  const url = (await server?.database()) ?? ''
  const database = new Database({ url, clock, connectionsMax: 1, statementMs: 20_000 })
  t.after(() => database.close())
  await migrate(database)
  const [known] = await database.run<{ version: number }>('select max(version)::int as version from nitka.migrations')
  await database.run(`insert into nitka.migrations (version, name, needs)
    values (${(known?.version ?? 0) + 1}, 'of the future', ${known?.version})`)
  await migrate(database)
})

test('a role that may not make schemas is told so, and uses the one that was made for it', { skip }, async (t) => {
  const url = (await server?.database()) ?? ''
  const owner = new Database({ url, clock, connectionsMax: 1, statementMs: 20_000 })
  t.after(() => owner.close())
  await owner.run('create role guest login')
  const guest = new Database({ url: url.replace('nitka@', 'guest@'), clock, connectionsMax: 1, statementMs: 20_000 })
  t.after(() => guest.close())
  await assert.rejects(migrate(guest), { message: /permission denied for database/ })
  await owner.run('create schema nitka authorization guest')
  await migrate(guest)
  assert.equal((await guest.run('select epoch from nitka.meta')).length, 1)
})

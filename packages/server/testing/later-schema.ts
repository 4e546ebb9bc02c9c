// The schema as a later version may leave it, beside which nodes of this version go on: everything has more than they know.

import { Database } from '../src/engines/cluster/database.ts'
import { realWorld } from '../src/world.ts'

export async function laterSchema(url: string): Promise<void> {
  const database = new Database({ url, clock: realWorld().clock, connectionsMax: 1, statementMs: 20_000 })
  try {
    const tables = await database.run<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
         where table_schema = 'nitka' and table_type = 'BASE TABLE' and table_name <> 'migrations' order by 1`,
    )
    for (const { name } of tables)
      await database.run(`alter table ${name} add column later text, add column much_later int default 7`)
    await database.run('create index entries_by_later on nitka.entries (log, later)')
    await database.run('create table nitka.later (one int)')
    await database.run(
      `insert into nitka.migrations (version, name, needs)
         select max(version) + 1, 'of a later version', max(version) from nitka.migrations`,
    )
  } finally {
    await database.close()
  }
}

// The schema: files in sql/, applied in order, each once and as a whole. Nodes that start together wait for each other.
//
// Nodes of the version before go on with a newer schema, and may be started with it, while a rolling restart is under way or taken
// back, as long as each of its new files says that they may: by a first line `-- Needs: N`, the oldest schema that a server must know.
// Without it a file needs itself.

import { readdirSync, readFileSync } from 'node:fs'
import { NitkaError } from '@nitka/protocol'
import type { Database } from './database.ts'

const folder = new URL('./sql/', import.meta.url)

/** The lock that a node holds while it changes the schema: any number that nobody else uses. */
const lockNumber = 7_365_216_441

interface Step {
  readonly version: number
  readonly name: string
  readonly text: string
  /** The oldest schema that a server must know to work with this one. */
  readonly needs: number
}

function steps(): readonly Step[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name, i) => {
      const text = readFileSync(new URL(name, folder), 'utf8')
      return { version: i + 1, name, text, needs: Number(/^-- Needs: (\d+)\n/.exec(text)?.[1] ?? i + 1) }
    })
}

/**
 * Brings the schema to this version. Resolves when it is there, or one that is newer and that this version can work with.
 * @throws NitkaError `invalid` the schema is of a version that is too new; `unavailable`
 */
export async function migrate(database: Database): Promise<void> {
  const all = steps()
  const newest = all.at(-1)?.version ?? 0
  const found = await findVersion(database)
  if (found.needs > newest) {
    throw new NitkaError(
      'invalid',
      `the database has the schema ${found.version}, which needs a server that knows ${found.needs}; this one knows ${newest}: use a newer one`,
    )
  }
  if (found.version >= newest) return
  // One message of several statements is one transaction, and the lock ends with it. What another node did meanwhile is seen under the lock.
  // A schema that an operator has made for a role is enough: the role need not be one that may make schemas.
  const apply = all.map(
    ({ version, name, text, needs }) => `
      if not exists (select from nitka.migrations where version = ${version}) then
        execute ${quoted(text)};
        insert into nitka.migrations (version, name, needs) values (${version}, ${quoted(name)}, ${needs});
      end if;`,
  )
  await database.script(`
    select set_config('statement_timeout', '600000', true), set_config('lock_timeout', '600000', true);
    select pg_advisory_xact_lock(${lockNumber});
    do $made$ begin
      if to_regnamespace('nitka') is null then create schema nitka; end if;
    end $made$;
    create table if not exists nitka.migrations (
      version int primary key, name text not null, needs int not null, applied timestamptz not null default clock_timestamp()
    );
    do ${quoted(`begin ${apply.join('\n')} end`)};`)
}

async function findVersion(database: Database): Promise<{ version: number; needs: number }> {
  const [there] = await database.run<{ there: boolean }>("select to_regclass('nitka.migrations') is not null as there")
  if (there?.there !== true) return { version: 0, needs: 0 }
  const [row] = await database.run<{ version: number; needs: number }>(
    'select coalesce(max(version), 0)::int as version, coalesce(max(needs), 0)::int as needs from nitka.migrations',
  )
  return row ?? { version: 0, needs: 0 }
}

/** Text in dollar quotes that it does not contain. */
function quoted(text: string): string {
  let tag = '$nitka$'
  for (let i = 0; text.includes(tag); i++) tag = `$nitka${i}$`
  return `${tag}${text}${tag}`
}

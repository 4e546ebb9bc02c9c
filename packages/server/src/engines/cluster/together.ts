// Appends and tasks of one call in one statement: all are stored, or none.

import type { Append, Appended } from '../../log/log-store.ts'
import type { Added, NewTask } from '../../tasks/task-store.ts'
import { checkAppend } from '../append-rules.ts'
import type { Together } from '../engine.ts'
import { checkName } from '../names.ts'
import { type AppendRow, appendArguments, appendCall, appendParameters, appendResults } from './append-statement.ts'
import type { Database } from './database.ts'
import type { TaskAdds } from './task-adds.ts'
import { type AddRow, addArgumentCasts, addResults } from './task-statements.ts'

const statement = `
  with a as materialized (select * from ${appendCall}),
  t as materialized (
    select * from nitka.add_together(
      (select coalesce(bool_or(a.outcome = 'conflict'), false) from a), ${addArgumentCasts(appendParameters + 1)}
    )
  )
  select a.append as pos, a.append, a.outcome, a.id, a.time, a.offsets from a
  union all select t.pos, null, t.outcome, t.id, null, null from t`

type Row = (AppendRow & { readonly pos: number }) | (AddRow & { readonly append: null })

/**
 * Stores both, or nothing. Resolves when durable.
 * @param dedupeWindowMs how long client ids are remembered
 * @throws NitkaError as of both ports
 */
export async function storeTogether(
  database: Database,
  tasks: TaskAdds,
  what: { readonly appends: readonly Append[]; readonly adds: readonly NewTask[]; readonly dedupeWindowMs: number },
): Promise<Together> {
  const { appends, adds, dedupeWindowMs } = what
  tasks.check(adds)
  for (const append of appends) {
    checkAppend(append)
    for (const { log } of append.entries) checkName(log.id, 'log', 128)
  }
  const rows = await database.run<Row>(statement, [
    ...appendArguments([appends], dedupeWindowMs),
    ...tasks.adding([adds]),
  ] as never)
  const appended = resultOf<readonly Appended[]>(appendResults([appends], sorted(rows.filter(isAppend))))
  const added = resultOf<readonly Added[]>(addResults([adds], sorted(rows.filter(isAdd))))
  tasks.added(adds, added)
  return { appended, added }
}

function isAppend(row: Row): row is AppendRow & { readonly pos: number } {
  return row.append !== null
}

function isAdd(row: Row): row is AddRow & { readonly append: null } {
  return row.append === null
}

function sorted<One extends { readonly pos: number }>(rows: readonly One[]): readonly One[] {
  return [...rows].sort((a, b) => a.pos - b.pos)
}

function resultOf<Result>([result]: readonly (Result | Error)[]): Result {
  if (result === undefined || result instanceof Error) throw result
  return result
}

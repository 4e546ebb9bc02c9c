// Reading tasks for people: one by its id, pages of a state.

import { isId, NitkaError } from '@nitka/protocol'
import type { Task, TaskPage, TaskQuery } from '../../tasks/task-store.ts'
import { queueName, whole } from '../task-checks.ts'
import type { Database } from './database.ts'
import { states, type TaskRow, taskColumns, taskOf } from './task-rows.ts'

/** So many tasks a page looks at when no index knows the state: one with few hits is short. */
const lookedMax = 2_000

export async function getTask(database: Database, id: string): Promise<Task | undefined> {
  if (!isId(id)) return undefined
  const [row] = await database.run<TaskRow>(`select ${taskColumns} from nitka.tasks t where t.id = $1`, [id])
  return row && taskOf(row)
}

/** @throws NitkaError `invalid` */
export async function listTasks(database: Database, query: TaskQuery): Promise<TaskPage> {
  whole(query.limit, 'limit', 1, 500)
  if (query.queue !== undefined) queueName(query.queue)
  if (query.state === 'dead') return deadLetters(database, query)
  if (query.after !== undefined && !isId(query.after)) throw badCursor()
  return query.state === 'leased' ? leased(database, query) : all(database, query)
}

/** By queue and id. */
async function deadLetters(database: Database, { queue, after, limit }: TaskQuery): Promise<TaskPage> {
  const [afterQueue = '', id = ''] = after?.split('/') ?? [queue]
  if (after !== undefined && (!isId(id) || (queue !== undefined && afterQueue !== queue))) throw badCursor()
  const rows =
    queue === undefined
      ? await database.run<TaskRow>(
          `select ${taskColumns} from nitka.tasks t where t.state = 4 and (t.queue, t.id) > ($1, $2)
             order by t.queue, t.id limit $3`,
          [afterQueue, id, limit + 1],
        )
      : await database.run<TaskRow>(
          `select ${taskColumns} from nitka.tasks t where t.state = 4 and t.queue = $1 and t.id > $2
             order by t.id limit $3`,
          [queue, id, limit + 1],
        )
  return page(rows, limit, (row) => `${row.queue}/${row.id}`)
}

async function leased(database: Database, { queue, after = '', limit }: TaskQuery): Promise<TaskPage> {
  const rows = await database.run<TaskRow>(
    `with held as materialized (select * from nitka.tasks t where t.state = 2)
     select ${taskColumns} from held t where t.id > $1 and ($2::text is null or t.queue = $2) order by t.id limit $3`,
    [after, queue ?? null, limit + 1],
  )
  return page(rows, limit, ({ id }) => id)
}

/** By id, whatever the state, or of one. */
async function all(database: Database, { queue, state, after = '', limit }: TaskQuery): Promise<TaskPage> {
  const rows = await database.run<{ last: string | null; looked: number } & (TaskRow | { id: null })>(
    `with looked as materialized (select * from nitka.tasks t where t.id > $1 order by t.id limit ${lookedMax})
     select s.last, s.looked, h.*
       from (select max(t.id) as last, count(*) as looked from looked t) s
       left join (
         select ${taskColumns} from looked t
           where ($2::text is null or t.queue = $2) and ($3::int is null or t.state = $3) order by t.id limit $4
       ) h on true
       order by h.id`,
    [after, queue ?? null, state === undefined ? null : states.indexOf(state), limit + 1],
  )
  const hits = rows.filter((row): row is (typeof rows)[number] & TaskRow => row.id !== null)
  if (hits.length > limit) return page(hits, limit, ({ id }) => id)
  const { last = null, looked = 0 } = rows[0] ?? {}
  return { tasks: hits.map(taskOf), next: looked === lookedMax && last !== null ? last : undefined }
}

function page(rows: readonly TaskRow[], limit: number, placeOf: (row: TaskRow) => string): TaskPage {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { tasks: shown.map(taskOf), next: rows.length > limit && last !== undefined ? placeOf(last) : undefined }
}

function badCursor(): NitkaError {
  return new NitkaError('invalid', 'after must be what `next` of the page before said', { field: 'after' })
}

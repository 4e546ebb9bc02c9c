// The statements about one task or one queue: what people do by hand, and what a worker says about a lease that goes on.

import { isId, NitkaError } from '@nitka/protocol'
import type { Ended, QueueSettings, Which } from '../../tasks/task-store.ts'
import { queueName, whole } from '../task-checks.ts'
import type { Database } from './database.ts'
import { type EndedRow, endedOf } from './task-rows.ts'
import { storable } from './task-statements.ts'

export interface GoingOn {
  /** When the lease ends, and what time it is, by the database's clock. */
  readonly until: number
  readonly now: number
  /** The task's. */
  readonly room: string | null
}

/** Makes a lease longer, or keeps the worker's word. Undefined: the token is not current, or the lease has ended. */
export async function goOn(
  database: Database,
  lease: { readonly id: string; readonly token: string },
  change: { readonly leaseMs: number | null; readonly progress: string | null; readonly awayMs: number },
): Promise<GoingOn | undefined> {
  if (!isId(lease.id)) return undefined
  const [row] = await database.run<GoingOn>('select * from nitka.go_on($1, $2, $3, $4, $5)', [
    ...[lease.id, storable(lease.token), change.leaseMs],
    ...[change.progress === null ? null : storable(change.progress), change.awayMs],
  ])
  return row
}

/** Tries dead letters again, or drops them. Gives how many, by queue. @throws NitkaError `invalid` */
export async function dead(
  database: Database,
  which: Which,
  what: 'retry' | 'drop',
): Promise<readonly { readonly queue: string; readonly count: number }[]> {
  const named = 'ids' in which
  if (!named) whole(which.limit, 'limit', 1, 1_000)
  return database.run('select * from nitka.dead_tasks($1::text[], $2, $3, $4::int = 1)', [
    named ? which.ids.filter((id) => isId(id)) : null,
    named ? null : (which.queue ?? null),
    named ? 0 : which.limit,
    what === 'retry' ? 1 : 0,
  ])
}

/** Makes a task a dead letter. Undefined: there is none, or it is done or dead. */
export async function bury(
  database: Database,
  id: string,
  reason: string,
): Promise<{ readonly queue: string; readonly ended: readonly Ended[] } | undefined> {
  if (!isId(id)) return undefined
  const [row] = await database.run<Omit<EndedRow, 'token'> & { token: string | null }>(
    'select * from nitka.bury_task($1, $2)',
    [id, storable(reason)],
  )
  if (row === undefined) return undefined
  const { queue, token } = row
  return { queue, ended: token === null ? [] : [endedOf({ ...row, token }, 'buried', true, reason)] }
}

/** Removes waiting tasks. Gives how many. @throws NitkaError `invalid` */
export async function purge(database: Database, queue: string, limit: number): Promise<number> {
  whole(limit, 'limit', 1, 1_000)
  const [row] = await database.run<{ count: number }>('select nitka.purge_tasks($1, $2) as count', [
    queueName(queue),
    limit,
  ])
  return row?.count ?? 0
}

/** @throws NitkaError `invalid` */
export async function configure(
  database: Database,
  queue: string,
  { paused, groupConcurrency, ordered }: Partial<QueueSettings>,
): Promise<QueueSettings> {
  whole(groupConcurrency ?? 0, 'groupConcurrency', 0, 1_000_000)
  const [row] = await database.run<{ paused: boolean; group_concurrency: number; ordered: boolean }>(
    'select * from nitka.configure_queue($1, $2, $3, $4)',
    [queueName(queue), flag(paused), groupConcurrency ?? null, flag(ordered)],
  )
  if (row === undefined) throw new NitkaError('internal', 'the database answered nothing')
  return { paused: row.paused, groupConcurrency: row.group_concurrency, ordered: row.ordered }
}

function flag(value: boolean | undefined): number | null {
  return value === undefined ? null : value ? 1 : 0
}

// Where each section of a store goes in Postgres: a table for both the copy and the check, so that what is checked is what
// was copied.

import type { LogName } from '../../log/log-store.ts'
import type { Attempt } from '../../tasks/task-store.ts'
import type { WholeRecords, WholeSection, WholeTask } from '../embedded/whole-records.ts'
import { states } from './task-rows.ts'
import { storable } from './task-statements.ts'

type Value = string | number | null
type Type = 'text' | 'int' | 'bigint'

/** What a record brings for a column. */
export interface Column<Row> {
  readonly name: string
  readonly type: Type
  readonly of: (row: Row) => Value
  /** What is stored of `w`, the row that was brought. Default: the value. Empty: it is only looked up with. */
  readonly stored?: string
  /** Large: the check compares MD5s. */
  readonly large?: true
}

export interface Target<Row> {
  readonly table: string
  /** Of the table, and enough to find a row. */
  readonly key: readonly string[]
  readonly columns: readonly Column<Row>[]
  /** The columns stand for a log, which is known by its number. */
  readonly inLog?: true
  /** Which rows of the table are of this section. */
  readonly where?: string
}

type Targets = { readonly [Section in WholeSection]: Target<WholeRecords[Section]> }

function text<Row>(name: string, of: (row: Row) => Value, more: Partial<Column<Row>> = {}): Column<Row> {
  return { name, type: 'text', of, ...more }
}

function number<Row>(name: string, of: (row: Row) => Value, more: Partial<Column<Row>> = {}): Column<Row> {
  return { name, type: 'bigint', of, ...more }
}

function flag<Row>(name: string, of: (row: Row) => boolean): Column<Row> {
  return { name, type: 'int', of: (row) => (of(row) ? 1 : 0), stored: `w."${name}" = 1` }
}

const inLog = <Row extends { readonly log: LogName }>(): readonly Column<Row>[] => [
  text('kind', (row) => row.log.kind, { stored: '' }),
  text('log', (row) => row.log.id, { stored: 'l.no' }),
]

export const targets: Targets = {
  room: {
    ...{ table: 'nitka.rooms', key: ['id'] },
    columns: [
      text('id', (row) => row.id),
      text('name', (row) => storable(row.name)),
      flag('open', (row) => row.open),
      text('creator', (row) => row.creator),
      number('time', (row) => row.time),
      number('members', (row) => row.members),
    ],
  },
  member: {
    ...{ table: 'nitka.members', key: ['room', 'user_name'] },
    columns: [text('room', (row) => row.room), text('user_name', (row) => row.user), number('time', (row) => row.time)],
  },
  log: {
    ...{ table: 'nitka.logs', key: ['kind', 'id'] },
    columns: [
      text('kind', (row) => row.log.kind),
      text('id', (row) => row.log.id),
      number('first', (row) => row.first),
      number('head', (row) => row.head),
      text('head_id', (row) => row.headId),
      number('counted', (row) => row.counted),
    ],
  },
  entry: {
    ...{ table: 'nitka.entries', key: ['log', 'offset'], inLog: true },
    columns: [
      ...inLog<WholeRecords['entry']>(),
      number('offset', (row) => row.offset),
      text('id', (row) => row.id),
      number('time', (row) => row.time),
      text('sender', (row) => row.sender),
      text('body', (row) => row.body, { large: true }),
      text('thread', ({ thread = null }) => thread),
      text('client_id', ({ clientId = null }) => clientId),
      number('counted', (row) => row.counted),
    ],
  },
  cursor: {
    ...{ table: 'nitka.cursors', key: ['kind', 'log', 'name'] },
    columns: [
      text('kind', (row) => row.log.kind),
      text('log', (row) => row.log.id),
      text('name', (row) => row.name),
      number('offset', (row) => row.offset),
      number('time', (row) => row.time),
    ],
  },
  sent: {
    ...{ table: 'nitka.sent', key: ['log', 'sender', 'client_id'], inLog: true },
    columns: [
      ...inLog<WholeRecords['sent']>(),
      text('sender', (row) => row.sender),
      text('client_id', (row) => row.clientId),
      text('hash', (row) => row.hash),
      text('id', (row) => row.id),
      number('time', (row) => row.time),
      text('offsets', (row) => `{${row.offsets.join(',')}}`, { stored: 'w.offsets::bigint[]' }),
      number('stored', (row) => row.stored, { stored: 'to_timestamp(w.stored / 1000.0)' }),
    ],
  },
  queue: {
    ...{ table: 'nitka.task_queues', key: ['queue'] },
    columns: [
      text('queue', (row) => row.queue),
      flag('paused', (row) => row.paused),
      number('group_concurrency', (row) => row.groupConcurrency),
      flag('ordered', (row) => row.ordered),
    ],
  },
  done: {
    ...{ table: 'nitka.task_counts', key: ['queue', 'state'], where: 'state = 3' },
    columns: [
      text('queue', (row) => row.queue),
      number('state', () => states.indexOf('done')),
      number('count', (row) => row.done),
    ],
  },
  task: { ...{ table: 'nitka.tasks', key: ['id'] }, columns: taskColumns() },
  once: {
    ...{ table: 'nitka.task_keys', key: ['queue', 'key'] },
    columns: [
      text('queue', (row) => row.queue),
      text('key', (row) => row.key),
      text('hash', (row) => row.hash),
      text('id', (row) => row.id),
      number('stored', (row) => row.stored),
    ],
  },
  pool: {
    ...{ table: 'nitka.pool_records', key: ['kind', 'pool', 'id'] },
    columns: [
      text('kind', (row) => row.kind),
      text('pool', (row) => row.pool),
      text('id', (row) => row.id),
      text('value', (row) => row.value),
    ],
  },
}

function taskColumns(): readonly Column<WholeTask>[] {
  return [
    text('id', ({ task }) => task.id),
    text('queue', ({ task }) => task.queue),
    number('seq', (row) => row.arrival),
    number('rank', ({ status, rank }) => status?.rank ?? rank),
    number('state', stateOf),
    number('priority', ({ task }) => task.priority),
    text('lane', ({ task }) => task.group ?? ''),
    number('attempt', ({ lease, status }) => (lease ?? status)?.attempt ?? 0),
    number('failures', ({ lease, status }) => (lease ?? status)?.failures ?? 0),
    number('max_attempts', ({ task }) => task.maxAttempts),
    number('until', untilOf),
    number('lease_ms', ({ task }) => task.leaseMs),
    number('held_ms', ({ lease }) => lease?.leaseMs ?? null),
    number('started', ({ lease }) => lease?.started ?? null),
    number('begun', ({ lease }) => lease?.started ?? null),
    number('time', ({ task }) => task.time),
    number('delay_ms', ({ task }) => task.delayMs),
    text('backoff_kind', ({ task }) => task.backoff.kind),
    number('backoff_ms', ({ task }) => task.backoff.ms),
    number('backoff_max', ({ task }) => task.backoff.maxMs),
    text('token', ({ lease, status }) => (lease ?? status)?.token ?? null),
    text('worker', ({ lease }) => lease?.worker ?? null),
    text('key', ({ task }) => task.key ?? null),
    text('room', ({ task }) => task.room ?? null),
    text('payload', ({ task }) => task.payload, { large: true }),
    text('progress', ({ lease, status }) => orNull((lease ?? status)?.progress)),
    text('history', ({ lease, status }) => historyText((lease ?? status)?.history ?? []), {
      stored: 'w.history::jsonb',
    }),
  ]
}

function stateOf({ lease, status }: WholeTask): number {
  return states.indexOf(lease === undefined ? (status?.state ?? 'ready') : 'leased')
}

/** A lease gets its full length with the first node that starts. A task that was done is forgotten some time after that. */
function untilOf({ task, lease, status }: WholeTask): number | null {
  if (lease !== undefined) return lease.started + lease.leaseMs
  if (status?.state === 'delayed') return status.until ?? task.time
  if (status?.state !== 'done') return null
  return status.history.findLast(({ outcome }) => outcome === 'done')?.ended ?? task.time
}

function orNull(value: string | undefined): string | null {
  return value === undefined ? null : storable(value)
}

/** JSON that Postgres takes: without NUL. */
function historyText(history: readonly Attempt[]): string {
  return JSON.stringify(history, (_, value: unknown) => (typeof value === 'string' ? storable(value) : value))
}

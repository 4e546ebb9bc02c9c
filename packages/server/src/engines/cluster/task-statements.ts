// The calls of one batch as the arguments of `nitka.add_tasks`, `nitka.claim_tasks` and `nitka.report_tasks`, and their answers
// as the calls'.

import { NitkaError } from '@nitka/protocol'
import type { Added, Ended, NewTask, Report, Reported, ReportOutcome } from '../../tasks/task-store.ts'
import { otherPayload, payloadHash } from '../task-checks.ts'
import { type EndedRow, endedOf } from './task-rows.ts'

const addTypes = [
  'int[], text[], text[], text[], int[], bigint[], bigint[], text[], text[], text[], int[], bigint[]',
  'text[], bigint[], bigint[], text[], text[], bigint[], bigint',
]

/** The arguments of `nitka.add_tasks` as the parameters of a statement from `first` on. */
export function addArgumentCasts(first: number): string {
  const types = addTypes.flatMap((line) => line.split(', '))
  return types.map((type, i) => `$${first + i}::${type}`).join(', ')
}

const addParameters = addTypes.join(', ').split(', ').length

/** The last parameter: how many milliseconds it waits for what is locked. */
export const addStatement = `select * from nitka.add_tasks(${addArgumentCasts(1)}, $${addParameters + 1})`

export interface AddRow {
  /** From 1. */
  readonly pos: number
  readonly outcome: 'added' | 'repeated' | 'conflict' | 'full' | 'refused'
  readonly id: string
}

/** What a statement of adds is given besides the tasks. */
export interface AddTerms {
  /** Queues that may take only so many tasks more. */
  readonly rooms: ReadonlyMap<string, number>
  readonly dedupeWindowMs: number
}

/** The arguments of `nitka.add_tasks`, in their order. Each call is all or nothing. */
export function addArguments(calls: readonly (readonly NewTask[])[], { rooms, dedupeWindowMs }: AddTerms): unknown[] {
  const tasks = calls.flat()
  return [
    calls.flatMap((call, i) => call.map(() => i)),
    tasks.map(({ id }) => id),
    tasks.map(({ queue }) => queue),
    tasks.map(({ payload }) => payload),
    tasks.map(({ priority }) => priority),
    tasks.map(({ time }) => time),
    tasks.map(({ delayMs }) => delayMs),
    tasks.map(({ key = null }) => key),
    tasks.map(({ key, payload }) => (key === undefined ? null : payloadHash(payload).toString('hex'))),
    tasks.map(({ group = null }) => group),
    tasks.map(({ maxAttempts }) => maxAttempts),
    tasks.map(({ leaseMs }) => leaseMs),
    tasks.map(({ backoff }) => backoff.kind),
    tasks.map(({ backoff }) => backoff.ms),
    tasks.map(({ backoff }) => backoff.maxMs),
    tasks.map(({ room = null }) => room),
    [...rooms.keys()],
    [...rooms.values()],
    dedupeWindowMs,
  ]
}

/** What became of each call: an answer for each of its tasks, or why all of them were refused. */
export function addResults(
  calls: readonly (readonly NewTask[])[],
  rows: readonly AddRow[],
): (readonly Added[] | NitkaError)[] {
  let at = 0
  return calls.map((tasks) => {
    const mine = rows.slice(at, at + tasks.length)
    at += tasks.length
    for (const [i, task] of tasks.entries()) {
      const outcome = mine[i]?.outcome
      if (outcome === 'conflict') return otherPayload(task)
      if (outcome === 'full') {
        return new NitkaError('overloaded', `the queue ${task.queue} has as many waiting tasks as it may hold`)
      }
    }
    return mine.map(({ id, outcome }) => ({ id, repeated: outcome === 'repeated' }))
  })
}

export const claimStatement = 'select * from nitka.claim_tasks($1::text[], $2::text[], $3::int[], $4, $5)'

export const reportStatement =
  'select * from nitka.report_tasks($1::text[], $2::text[], $3::int[], $4::text[], $5::text[])'

export interface ReportRow extends Omit<EndedRow, 'id'> {
  /** From 1. */
  readonly pos: number
  readonly outcome: ReportOutcome
  /** 1: it ended a lease. */
  readonly ended: number
  readonly lost: number
  /** 1: its queue may have something to claim now. */
  readonly ready: number
  /** When a failed task is tried again. */
  readonly until: number | null
  readonly now: number
}

/** The arguments of `nitka.report_tasks`. */
export function reportArguments(reports: readonly Report[]): (readonly (string | number | null)[])[] {
  return [
    reports.map(({ id }) => storable(id)),
    reports.map(({ token }) => (token === undefined ? null : storable(token))),
    reports.map(({ outcome }) => (outcome === 'done' ? 1 : 0)),
    reports.map(({ worker }) => (worker === undefined ? null : storable(worker))),
    reports.map(({ reason }) => (reason === undefined ? null : storable(reason))),
  ]
}

/** Gives each call what became of its reports. */
export function reportResults(calls: readonly (readonly Report[])[], rows: readonly ReportRow[]): Reported[] {
  const sorted = [...rows].sort((a, b) => a.pos - b.pos)
  let at = 0
  return calls.map((reports) => {
    const mine = sorted.slice(at, at + reports.length)
    at += reports.length
    const ended = mine.flatMap((row, i): Ended[] => {
      const report = reports[i]
      if (row.ended === 0 || report === undefined) return []
      const { id, outcome, reason } = report
      return [endedOf({ ...row, id }, outcome, row.lost === 1, outcome === 'failed' ? reason : undefined)]
    })
    return { outcomes: mine.map(({ outcome }) => outcome), ended }
  })
}

/** Postgres keeps no NUL in a text. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd')
}

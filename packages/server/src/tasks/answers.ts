// Tasks as clients are shown them.

import type { NewTask, Report, ReportOutcome, Task } from './task-store.ts'
import type { QueueView } from './views.ts'

/** A task and its attempts; times are RFC 3339. */
export function taskAnswer(task: Task): object {
  const { id, queue, state, payload, priority, failures, maxAttempts, leaseMs, backoff, attempts } = task
  return {
    ...{ id, queue, state, payload: JSON.parse(payload) as unknown, priority, time: timeText(task.time) },
    ...{ attempt: attempts.at(-1)?.number ?? 0, failures, maxAttempts, lease: leaseMs, backoff },
    ...optional(task),
    ...(task.until === undefined ? undefined : { until: timeText(task.until) }),
    ...(task.progress === undefined ? undefined : { progress: JSON.parse(task.progress) as unknown }),
    attempts: attempts.map(({ started, ended, ...rest }) => ({
      ...rest,
      started: timeText(started),
      ...(ended === undefined ? undefined : { ended: timeText(ended) }),
    })),
  }
}

function optional({ key, group, room }: NewTask): object {
  return {
    ...(key === undefined ? undefined : { key }),
    ...(group === undefined ? undefined : { group }),
    ...(room === undefined ? undefined : { room }),
  }
}

export function queueAnswer({ oldestReady, ...queue }: QueueView): object {
  return { ...queue, ...(oldestReady === undefined ? undefined : { oldestReady: timeText(oldestReady) }) }
}

/** What somebody reports: ids alone, or with tokens and reasons. */
export interface ReportWish {
  readonly done?: readonly (string | { readonly id: string; readonly token?: string })[]
  readonly failed?: readonly (string | { readonly id: string; readonly token?: string; readonly reason?: string })[]
}

/** @param workerOf who reports a task, when that is known */
export function reportsOf(wish: ReportWish, workerOf: (id: string) => string | undefined): Report[] {
  const { done = [], failed = [] } = wish
  const report = (item: string | { readonly id: string }, outcome: Report['outcome']): Report => {
    const fields = typeof item === 'string' ? { id: item } : item
    const worker = workerOf(fields.id)
    return { ...fields, outcome, ...(worker === undefined ? undefined : { worker }) }
  }
  return [...done.map((item) => report(item, 'done')), ...failed.map((item) => report(item, 'failed'))]
}

/** The counts that are not zero, and by id what is not plainly done. */
export function reportAnswer(reports: readonly Report[], outcomes: readonly ReportOutcome[]): object {
  const counts: Partial<Record<ReportOutcome, number>> = { done: 0, unknown: 0 }
  const odd: Record<string, ReportOutcome> = Object.create(null) as Record<string, ReportOutcome>
  for (const [i, outcome] of outcomes.entries()) {
    counts[outcome] = (counts[outcome] ?? 0) + 1
    if (outcome === 'already') counts.done = (counts.done ?? 0) + 1
    if (outcome !== 'done') odd[reports[i]?.id ?? ''] = outcome
  }
  return Object.keys(odd).length === 0 ? counts : { ...counts, outcomes: odd }
}

/** What is told to who reported ids and nothing else: those are done, now or before, or unknown. */
export function plainReportAnswer(outcomes: readonly ReportOutcome[]): { done: number; unknown: number } {
  const unknown = outcomes.filter((outcome) => outcome === 'unknown').length
  return { done: outcomes.length - unknown, unknown }
}

function timeText(time: number): string {
  return new Date(time).toISOString()
}

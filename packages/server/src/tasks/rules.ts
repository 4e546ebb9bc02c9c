// The rules of tasks that need no store: what a report does to a task, and how long a failed one waits. Pure, so that both
// engines decide alike.

import type { Attempt, Backoff, Report, TaskState } from './task-store.ts'

/** Where a task stands when a report comes in. */
export interface Standing {
  readonly state: TaskState
  /** Of the lease; without one, of the last attempt. Absent before the first. */
  readonly token: string | undefined
  /** The number of that attempt, 0 before the first. */
  readonly attempt: number
  /** Who has the lease. */
  readonly worker: string | undefined
}

/**
 * What is to be done. `settle`: the task is done. `fail`: its lease ends as a failed attempt. `note`: nothing but a line in
 * the history of the lease that runs. The others change nothing and are the answer.
 */
export type Verdict = 'settle' | 'fail' | 'note' | 'stale' | 'already' | 'failed' | 'dead'

/** How many attempts a task's history keeps. */
export const historyMax = 20

/** The table of reports: a row a line. */
export function judge(standing: Standing, report: Report): Verdict {
  const { state, token, worker } = standing
  if (state === 'done') return 'already'
  const current = report.token === undefined || report.token === token
  const issued = current || attemptOf(report.token) <= standing.attempt
  if (report.outcome === 'done') {
    if (current) return 'settle'
    if (state === 'leased') return 'note'
    return state === 'dead' && issued ? 'settle' : 'stale' // A late success removes the dead letter.
  }
  if (state === 'dead') return issued ? 'dead' : 'stale'
  if (state !== 'leased') return current ? 'failed' : 'stale' // Its lease has ended as a failed attempt already.
  if (!current) return 'note'
  // Without a token a failure counts only from the holder: somebody else's is about an attempt that is over.
  const another = report.token === undefined && report.worker !== undefined && report.worker !== worker
  return another ? 'note' : 'fail'
}

/** The token of an attempt: the number of the attempt, and of the claim that began it. */
export function tokenOf(attempt: number, claim: number): string {
  return `${attempt}.${claim.toString(36)}`
}

/** The attempt that a token names, infinity when it was never a token. */
function attemptOf(token: string | undefined): number {
  const match = /^([1-9]\d{0,8})\.[0-9a-z]{1,10}$/.exec(token ?? '')
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1])
}

/**
 * Milliseconds that a task waits after its `failures`th failure. Fixed: always `ms`. Exponential: `ms`, doubled with every
 * further failure, to which chance adds up to half, at most `maxMs`: what failed together does not come back at once.
 * @param fraction chance: 0 included, 1 excluded
 */
export function backoffMs({ kind, ms, maxMs }: Backoff, failures: number, fraction: number): number {
  if (kind === 'fixed') return ms
  const least = ms * 2 ** Math.min(failures - 1, 40)
  return Math.round(Math.min(maxMs, least * (1 + fraction / 2)))
}

/** The history with one more attempt, the oldest ones left out. */
export function remembered(history: readonly Attempt[], attempt: Attempt): readonly Attempt[] {
  return [...history.slice(-(historyMax - 1)), attempt]
}

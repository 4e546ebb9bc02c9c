// Planning what ends leases: reports, time, workers that went, burials by hand.

import { backoffMs, judge, remembered, type Standing, type Verdict } from '../../tasks/rules.ts'
import type { AttemptOutcome, Ended, Report, Reported, ReportOutcome } from '../../tasks/task-store.ts'
import type { EngineCounters } from '../engine.ts'
import type { Draft, Operation } from './draft.ts'
import type { TaskBook, Whereabouts } from './task-book.ts'
import type { LiveLease } from './task-leases.ts'
import type { Line } from './task-line.ts'
import { type Held, jsonBody, leaseKey, type Status } from './task-records.ts'

/** So many leases and delays are worked off in one batch. */
const pieceMax = 1_000

/** All reports of one call, in their order: a later one sees what an earlier one did. */
export class ReportOperation implements Operation<Reported> {
  readonly bytes: number
  readonly essential = true
  readonly #book: TaskBook
  readonly #reports: readonly Report[]

  constructor(book: TaskBook, reports: readonly Report[]) {
    this.#book = book
    this.#reports = reports
    this.bytes = reports.length * 300
  }

  ask(draft: Draft): void {
    for (const { id } of this.#reports) this.#book.ask(draft, id)
  }

  plan(draft: Draft): Reported {
    const book = this.#book
    for (const { id } of this.#reports) book.find(draft, id) // A damaged record refuses before anything is written.
    book.begin(draft)
    const ended: Ended[] = []
    const outcomes = this.#reports.map((report) => this.#apply(draft, report, ended))
    return { outcomes, ended }
  }

  /** Runs once per report. */
  #apply(draft: Draft, report: Report, ended: Ended[]): ReportOutcome {
    const where = this.#book.find(draft, report.id)
    if (where === undefined) return 'unknown'
    const verdict = judge(standingOf(where), report)
    if ('lease' in where) return this.#applyToLease(draft, where.lease, verdict, report, ended)
    if (verdict !== 'settle') return verdict === 'fail' || verdict === 'note' ? 'stale' : verdict
    const { held } = where
    this.#book.takeOut(draft, held)
    const { now } = this.#book.tools
    const line = { number: held.status?.attempt ?? 0, worker: report.worker ?? '', started: now(), ended: now() }
    const late = { ...line, outcome: 'done', reason: 'reported after the lease had ended' } as const
    this.#book.settle(draft, held, statusAfter(held, 'done', remembered(held.status?.history ?? [], late)))
    return 'done'
  }

  #applyToLease(draft: Draft, lease: LiveLease, verdict: Verdict, report: Report, ended: Ended[]): ReportOutcome {
    const book = this.#book
    const { reason } = report
    if (verdict === 'note') {
      const line = { number: attemptOf(report, lease), worker: report.worker ?? '', started: lease.started }
      const noted = { ...line, ended: book.tools.now(), outcome: 'stale', ...(reason && { reason }) } as const
      lease.notes = remembered(lease.notes, noted)
      keep(draft, lease)
      return 'stale'
    }
    // Without a token an older attempt may be the one that reports; then the worker of this one is to stop.
    const another = report.worker === undefined ? report.token === undefined : report.worker !== lease.claim.worker
    const lost = another && (report.worker !== undefined || lease.attempt > 1)
    if (verdict === 'settle') {
      const { ended: end, status } = book.end(draft, lease, { outcome: 'done', lost })
      book.settle(draft, lease.held, { ...status, state: 'done' })
      ended.push(end)
      return 'done'
    }
    const state = failLease(book, draft, lease, { outcome: 'failed', reason, lost }, ended)
    return state === 'dead' ? 'dead' : 'failed'
  }
}

/** Ends leases whose time is over, makes ready what was delayed until now. */
export class ExpireOperation implements Operation<{ readonly ended: readonly Ended[]; readonly more: boolean }> {
  readonly bytes = 4_096
  readonly essential = true
  readonly #book: TaskBook
  readonly #counters: EngineCounters

  constructor(book: TaskBook, counters: EngineCounters) {
    this.#book = book
    this.#counters = counters
  }

  ask(draft: Draft): void {
    const now = this.#book.tools.now()
    for (const { delayed } of this.#book.queues.values()) {
      if (delayed.count > 0 && delayed.low.major <= now && delayed.want(pieceMax)) {
        draft.read((disk) => delayed.read(disk, this.#counters))
      }
    }
  }

  plan(draft: Draft): { readonly ended: readonly Ended[]; readonly more: boolean } {
    const book = this.#book
    const { tools } = book
    const ended: Ended[] = []
    book.begin(draft)
    const due = book.leases.takeEnded(tools.monotonic(), pieceMax)
    for (const lease of due) {
      if (book.leases.has(lease)) failLease(book, draft, lease, { outcome: 'expired', lost: true }, ended)
    }
    let left = pieceMax - due.length
    for (const { delayed } of book.queues.values()) left -= this.#release(draft, delayed, left)
    return { ended, more: left <= 0 }
  }

  /** Makes up to `limit` of the delayed tasks of a queue ready that are due. Gives how many. */
  #release(draft: Draft, delayed: Line, limit: number): number {
    const book = this.#book
    const now = book.tools.now()
    for (let count = 0; count < limit; count++) {
      const { first } = delayed
      if (first === undefined || first.major > now) return count
      const { held } = first
      book.takeOut(draft, held)
      book.putReady(draft, book.putStatus(draft, held, statusAfter(held, 'ready', held.status?.history ?? [])))
    }
    return limit
  }
}

/** Ends all leases of a worker. */
export class ReleaseOperation implements Operation<readonly Ended[]> {
  readonly bytes = 4_096
  readonly essential = true
  readonly #book: TaskBook
  readonly #worker: string
  readonly #counts: boolean

  constructor(book: TaskBook, worker: string, counts: boolean) {
    this.#book = book
    this.#worker = worker
    this.#counts = counts
  }

  ask(): void {
    // Leases are in memory.
  }

  plan(draft: Draft): readonly Ended[] {
    const book = this.#book
    const ended: Ended[] = []
    book.begin(draft)
    for (const lease of [...book.leases.of(this.#worker)]) {
      if (this.#counts) {
        failLease(book, draft, lease, { outcome: 'released', lost: false }, ended)
        continue
      }
      const { ended: end, status } = book.end(draft, lease, { outcome: 'released', lost: false })
      const before = { failures: lease.held.status?.failures ?? 0, history: lease.held.status?.history ?? [] }
      book.putReady(draft, book.putStatus(draft, lease.held, { ...status, ...before, state: 'ready' }))
      ended.push(end)
    }
    return ended
  }
}

/** Makes a task a dead letter. */
export class BuryOperation implements Operation<{ readonly buried: boolean; readonly ended: readonly Ended[] }> {
  readonly bytes = 1_024
  readonly essential = true
  readonly #book: TaskBook
  readonly #id: string
  readonly #reason: string

  constructor(book: TaskBook, id: string, reason: string) {
    this.#book = book
    this.#id = id
    this.#reason = reason
  }

  ask(draft: Draft): void {
    this.#book.ask(draft, this.#id)
  }

  plan(draft: Draft): { readonly buried: boolean; readonly ended: readonly Ended[] } {
    const book = this.#book
    const where = book.find(draft, this.#id)
    if (where === undefined) return { buried: false, ended: [] }
    book.begin(draft)
    if ('lease' in where) {
      const { ended, status } = book.end(draft, where.lease, { outcome: 'buried', reason: this.#reason, lost: true })
      book.bury(draft, where.lease.held, { ...status, state: 'dead' })
      return { buried: true, ended: [{ ...ended, dead: true }] }
    }
    const { held } = where
    const state = held.status?.state ?? 'ready'
    if (state === 'done' || state === 'dead') return { buried: false, ended: [] }
    book.takeOut(draft, held)
    const now = book.tools.now()
    const line = { number: held.status?.attempt ?? 0, worker: '', started: now, ended: now, reason: this.#reason }
    const history = remembered(held.status?.history ?? [], { ...line, outcome: 'buried' })
    book.bury(draft, held, statusAfter(held, 'dead', history))
    return { buried: true, ended: [] }
  }
}

/** Writes what changed about a lease since its claim. */
export function keep(draft: Draft, lease: LiveLease): void {
  lease.kept = true
  const { id, attempt, leaseMs, notes, progress } = lease
  draft.putKey(leaseKey(id), jsonBody({ attempt, leaseMs, notes, ...(progress === undefined ? {} : { progress }) }))
}

/** Ends a lease as a failed attempt: the task is tried again, or it was the last time. */
function failLease(
  book: TaskBook,
  draft: Draft,
  lease: LiveLease,
  attempt: { outcome: AttemptOutcome; reason?: string | undefined; lost: boolean },
  ended: Ended[],
): Status['state'] {
  const { held } = lease
  const { task } = held.stored
  const { ended: end, status } = book.end(draft, lease, attempt)
  const dead = status.failures >= task.maxAttempts
  ended.push({ ...end, dead })
  if (dead) {
    book.bury(draft, held, { ...status, state: 'dead' })
    return 'dead'
  }
  const { backoff } = task
  const waitMs = attempt.outcome === 'failed' ? backoffMs(backoff, status.failures, book.tools.fraction()) : 0
  if (waitMs === 0) {
    book.putReady(draft, book.putStatus(draft, held, { ...status, state: 'ready' }))
    return 'ready'
  }
  const until = book.tools.now() + waitMs
  book.putDelayed(draft, book.putStatus(draft, held, { ...status, state: 'delayed', until }))
  return 'delayed'
}

function standingOf(where: NonNullable<Whereabouts>): Standing {
  if ('lease' in where) {
    const { token, attempt, claim } = where.lease
    return { state: 'leased', token, attempt, worker: claim.worker }
  }
  const { status } = where.held
  return {
    state: status?.state ?? 'ready',
    token: status?.token,
    attempt: status?.attempt ?? 0,
    worker: undefined,
  }
}

/** The attempt that a stale report is about: as its token says, or the one before. */
function attemptOf({ token }: Report, lease: LiveLease): number {
  const number = Number.parseInt(token ?? '', 10)
  return number > 0 && number < lease.attempt ? number : Math.max(lease.attempt - 1, 0)
}

/** The next status of a task that was in no lease. */
function statusAfter(held: Held, state: Status['state'], history: Status['history']): Status {
  const { status, stored } = held
  const { rank = stored.rank, attempt = 0, failures = 0, token, progress } = status ?? {}
  return {
    ...{ state, rank, attempt, failures, history },
    ...(token === undefined ? undefined : { token }),
    ...(progress === undefined ? undefined : { progress }),
  }
}

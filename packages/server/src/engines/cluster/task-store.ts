// Tasks in Postgres, of any number of nodes: the cluster's side of the port of `tasks/`. Each operation is one statement; those
// of one kind that wait go together. Time is the database's clock.
//
// What holds between nodes: no task is in two live leases. Without groups, nodes claim beside each other, each by priority and
// then arrival among what nobody else is just claiming; so two claims at one moment get the first tasks between them, in no
// order of their own. A queue with groups is claimed by one node after the other, so its turns, limits and orders hold as if
// there were one. Tasks that two nodes add at one moment arrive in either order.

import { NitkaError } from '@nitka/protocol'
import type { Bus } from '../../bus.ts'
import type {
  Added,
  Ended,
  Lease,
  NewTask,
  QueueCounts,
  QueueSettings,
  Report,
  Reported,
  Task,
  TaskPage,
  TaskQuery,
  TaskStore,
  Which,
} from '../../tasks/task-store.ts'
import type { Clock } from '../../world.ts'
import { Backlog, backlogBytesMax } from '../backlog.ts'
import { checkName } from '../names.ts'
import { queueName, whole } from '../task-checks.ts'
import { Batcher } from './batcher.ts'
import type { Database } from './database.ts'
import { TaskAdds } from './task-adds.ts'
import * as admin from './task-admin.ts'
import { TaskBoard } from './task-board.ts'
import { TaskClaims } from './task-claims.ts'
import { TaskHints } from './task-hints.ts'
import { getTask, listTasks } from './task-pages.ts'
import { type EndedRow, endedOf } from './task-rows.ts'
import { type ReportRow, reportArguments, reportResults, reportStatement } from './task-statements.ts'
import { TaskSweep } from './task-sweep.ts'

/** So many leases and delays are worked off in one statement. */
const pieceMax = 1_000
const durationMax = 366 * 24 * 60 * 60 * 1_000

export interface ClusterTaskStoreParts {
  readonly database: Database
  readonly clock: Clock
  readonly bus: Bus
  /** Names this process among all that use the database: its workers' leases are its own. */
  readonly node: string
  readonly dedupeWindowMs: number
  /** How long a done task is kept. */
  readonly doneMs: number
  /** Tasks that may wait in a queue, 0: no limit. Others' adds since the last look are not seen. */
  readonly queueTasksMax: number
  /** How long an add waits for a key that somebody else has locked. */
  readonly lockedMs?: number
  /** How often the node looks for what no hint told it. */
  readonly sweepMs?: number
  /** When no node looked after the leases for so long, they begin anew. 0: only after a start of the database. */
  readonly awayMs?: number
  /** What waits to be stored, together with others. Absent: alone. */
  readonly backlog?: Backlog
}

export class ClusterTaskStore implements TaskStore {
  onReady: ((queue: string) => void) | undefined
  onEnded: ((ended: readonly Ended[]) => void) | undefined
  onDue: (() => void) | undefined
  /** Adding, for a larger statement too. */
  readonly adds: TaskAdds
  readonly #parts: ClusterTaskStoreParts
  readonly #awayMs: number
  readonly #board: TaskBoard
  readonly #hints: TaskHints
  readonly #sweep: TaskSweep
  readonly #claims: TaskClaims
  readonly #reports: Batcher<readonly Report[], Reported>

  private constructor(parts: ClusterTaskStoreParts) {
    const { database, node, clock, bus, dedupeWindowMs, queueTasksMax, sweepMs = 1_000, awayMs = 5_000 } = parts
    const { lockedMs = 3_000 } = parts
    this.#parts = parts
    this.#awayMs = awayMs
    const board = new TaskBoard(clock)
    this.#board = board
    const shared = { backlog: parts.backlog ?? new Backlog(), now: () => clock.monotonic() }
    const onReady = (queues: readonly string[]): void => this.#tellReady(queues)
    this.adds = new TaskAdds({
      ...{ database, board, shared, clock, lockedMs },
      dedupeWindowMs,
      queueTasksMax,
      onReady,
    })
    this.#claims = new TaskClaims({ database, board, node, onMore: (queue) => this.onReady?.(queue) })
    const limits = { itemsMax: 1_000, weightMax: 1_048_576, waitingMax: backlogBytesMax }
    this.#reports = new Batcher((calls) => this.#report(calls), limits, { ...shared, essential: true })
    this.#hints = new TaskHints({
      ...{ bus, clock },
      onReady: (queues) => {
        for (const queue of queues) this.onReady?.(queue)
      },
      onEnded: (ended) => {
        const own = ended.filter((one) => this.#board.end(one) !== undefined)
        if (own.length > 0) this.onEnded?.(own)
      },
    })
    this.#sweep = new TaskSweep({
      ...{ ...parts, board: this.#board, sweepMs, awayMs },
      onReady: (queue) => this.onReady?.(queue),
      onDue: () => this.onDue?.(),
      onEnded: (ended) => this.onEnded?.(ended),
    })
  }

  /** Opens it on a schema that is there. Resolves when it knows how the queues stand. @throws NitkaError `unavailable` */
  static async open(parts: ClusterTaskStoreParts): Promise<ClusterTaskStore> {
    const store = new ClusterTaskStore(parts)
    try {
      await parts.database.run('select nitka.wake_leases($1)', [store.#awayMs])
      await store.refresh()
    } catch (error) {
      await store.close()
      throw error
    }
    return store
  }

  add(tasks: readonly NewTask[]): Promise<readonly Added[]> {
    return this.adds.add(tasks)
  }

  async claim(queue: string, worker: string, limit: number): Promise<readonly Lease[]> {
    whole(limit, 'limit', 1, 1_000)
    checkName(worker, 'worker', 255)
    queueName(queue)
    return this.#claims.claim(queue, worker, limit)
  }

  async report(reports: readonly Report[]): Promise<Reported> {
    if (reports.length === 0) return { outcomes: [], ended: [] }
    for (const { reason = '' } of reports) {
      if (reason.length > 1_000) {
        throw new NitkaError('invalid', 'reason may have 1,000 characters', { field: 'reason' })
      }
    }
    return this.#reports.submit(reports, reports.length * 300)
  }

  async extend(id: string, token: string, leaseMs: number): Promise<number | undefined> {
    whole(leaseMs, 'leaseMs', 1, durationMax)
    const change = { leaseMs, progress: null, awayMs: this.#awayMs }
    const lease = await admin.goOn(this.#parts.database, { id, token }, change)
    if (lease !== undefined) this.#board.dueAt(lease.until, lease.now)
    return lease?.until
  }

  async progress(id: string, token: string, progress: string): Promise<{ readonly room?: string } | undefined> {
    const change = { leaseMs: null, progress, awayMs: this.#awayMs }
    const lease = await admin.goOn(this.#parts.database, { id, token }, change)
    return lease && (lease.room === null ? {} : { room: lease.room })
  }

  async release(worker: string, counts: boolean): Promise<readonly Ended[]> {
    checkName(worker, 'worker', 255)
    const { database, node } = this.#parts
    const rows = await database.run<EndedRow>('select * from nitka.release_tasks($1, $2, $3::int = 1)', [
      ...[worker, node],
      counts ? 1 : 0,
    ])
    return this.#over(rows.map((row) => endedOf(row, 'released', false)))
  }

  async expire(): Promise<readonly Ended[]> {
    const all: Ended[] = []
    for (;;) {
      const rows = await this.#parts.database.run<
        Omit<EndedRow, 'id' | 'queue'> & { id: string | null; queue: string | null; until: number | null; now: number }
      >('select * from nitka.expire_tasks($1, $2)', [pieceMax, this.#awayMs])
      const ready: string[] = []
      let more = false
      const ended: Ended[] = []
      for (const { id, queue, ...row } of rows) {
        if (id !== null && queue !== null) ended.push(endedOf({ ...row, id, queue }, 'expired', true))
        else if (queue !== null) ready.push(queue)
        else {
          more = row.dead === 1
          this.#board.looked(row.until, row.now)
        }
      }
      all.push(...this.#over(ended))
      this.#tellReady(ready)
      if (!more) return all
    }
  }

  nextDueMs(): number | undefined {
    return this.#board.dueMs
  }

  get(id: string): Promise<Task | undefined> {
    return getTask(this.#parts.database, id)
  }

  list(query: TaskQuery): Promise<TaskPage> {
    return listTasks(this.#parts.database, query)
  }

  async retry(which: Which): Promise<number> {
    const counts = await admin.dead(this.#parts.database, which, 'retry')
    this.#tellReady(counts.map(({ queue }) => queue))
    return sum(counts)
  }

  async drop(which: Which): Promise<number> {
    return sum(await admin.dead(this.#parts.database, which, 'drop'))
  }

  async bury(id: string, reason: string): Promise<{ readonly buried: boolean; readonly ended: readonly Ended[] }> {
    const letter = await admin.bury(this.#parts.database, id, reason)
    if (letter === undefined) return { buried: false, ended: [] }
    // It may have kept others of its group waiting.
    this.#tellReady([letter.queue])
    return { buried: true, ended: this.#over(letter.ended) }
  }

  async purge(queue: string, limit: number): Promise<number> {
    const count = await admin.purge(this.#parts.database, queue, limit)
    if (count > 0) this.#tellReady([queue])
    return count
  }

  async configure(queue: string, settings: Partial<QueueSettings>): Promise<QueueSettings> {
    const now = await admin.configure(this.#parts.database, queue, settings)
    this.#board.configured(queue, now)
    this.#tellReady([queue])
    return now
  }

  /** As of the last look, a second ago at most while the database answers, with what this node did since. */
  queues(): readonly QueueCounts[] {
    return this.#board.counts()
  }

  /** Looks again: what is in memory is exact when it resolves. @throws NitkaError `unavailable` */
  refresh(): Promise<void> {
    return this.#sweep.look()
  }

  /** A whole sweep, as there is one every second: for tests. */
  async swept(): Promise<void> {
    await this.#sweep.run() // The round that runs may have begun before now.
    await this.#sweep.run()
  }

  /** Ends what runs in the background. What is under way goes on. */
  async close(): Promise<void> {
    this.#hints.close()
    await this.#sweep.close()
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all([this.adds.idle(), this.#claims.idle(), this.#reports.idle()])
  }

  async #report(calls: readonly (readonly Report[])[]): Promise<readonly Reported[]> {
    const rows = await this.#parts.database.run<ReportRow>(reportStatement, reportArguments(calls.flat()) as never)
    const results = reportResults(calls, rows)
    const ready = new Set<string>()
    for (const { queue, outcome, until, now, ready: frees } of rows) {
      if (frees === 1) ready.add(queue)
      if (outcome === 'done') this.#board.count(queue, 'done', 1)
      if (until === null) continue
      this.#board.dueAt(until, now)
      this.#board.count(queue, 'delayed', 1)
    }
    for (const { ended } of results) this.#noteEnds(ended)
    this.#tellReady([...ready])
    return results
  }

  /** Leases that this node ended other than by a report. */
  #over(ended: readonly Ended[]): readonly Ended[] {
    this.#noteEnds(ended)
    for (const { queue, dead } of ended) this.#board.count(queue, dead ? 'dead' : 'ready', 1)
    this.#tellReady(ended.map(({ queue }) => queue))
    return ended
  }

  /** Whoever has the workers of leases that ended here hears of it. */
  #noteEnds(ended: readonly Ended[]): void {
    for (const one of ended) {
      this.#board.count(one.queue, 'leased', -1)
      if (this.#board.end(one) === undefined) this.#hints.ended(one)
    }
  }

  #tellReady(queues: readonly string[]): void {
    for (const queue of new Set(queues)) {
      this.onReady?.(queue)
      this.#hints.ready(queue)
    }
  }
}

function sum(counts: readonly { readonly count: number }[]): number {
  return counts.reduce((total, { count }) => total + count, 0)
}

// The embedded engine's side of the port of `tasks/`: checks what it is asked, has it planned, reads what is large.

import { isId, NitkaError } from '@nitka/protocol'
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
import type { EngineCounters } from '../engine.ts'
import { checkName } from '../names.ts'
import { queueName, whole } from '../task-checks.ts'
import type { Committer } from './committer.ts'
import { checkLimit } from './log-pages.ts'
import type { Reader } from './reader.ts'
import { AddOperation } from './task-add.ts'
import { ConfigureOperation, DeadOperation, LeaseOperation, PurgeOperation } from './task-admin.ts'
import type { TaskBook } from './task-book.ts'
import { ClaimOperation } from './task-claim.ts'
import { readTask } from './task-codec.ts'
import type { LiveLease } from './task-leases.ts'
import type { ResumeOperation } from './task-opening.ts'
import { TaskPages } from './task-pages.ts'
import { taskKey } from './task-records.ts'
import { BuryOperation, ExpireOperation, ReleaseOperation, ReportOperation } from './task-settle.ts'
import { TaskSweep } from './task-sweep.ts'

interface TaskStoreParts {
  readonly committer: Committer
  readonly reader: Reader
  readonly clock: Clock
  readonly counters: EngineCounters
  readonly book: TaskBook
  /** What the start has to write. */
  readonly resume: ResumeOperation
  readonly dedupeWindowMs: number
  readonly doneMs: number
}

export class EmbeddedTaskStore implements TaskStore {
  /** Never told: there are no others. */
  onEnded: TaskStore['onEnded']
  onDue: TaskStore['onDue']
  readonly #parts: TaskStoreParts
  readonly #pages: TaskPages
  readonly #sweep: TaskSweep

  constructor(parts: TaskStoreParts) {
    this.#parts = parts
    const { committer, reader, clock, doneMs, resume } = parts
    this.#pages = new TaskPages(parts.book, reader)
    this.#sweep = new TaskSweep(committer, reader, clock, doneMs)
    // First of all: a crash before it would not count this start.
    if (!resume.nothing) committer.submit(resume).catch(ignore)
  }

  get onReady(): ((queue: string) => void) | undefined {
    return this.#parts.book.onReady
  }

  set onReady(told: ((queue: string) => void) | undefined) {
    this.#parts.book.onReady = told
  }

  async add(tasks: readonly NewTask[]): Promise<readonly Added[]> {
    if (tasks.length === 0) return []
    return this.#parts.committer.submit(this.adding(tasks))
  }

  /** What `add` submits, for a larger operation. @throws NitkaError `invalid` */
  adding(tasks: readonly NewTask[]): AddOperation {
    const { book, dedupeWindowMs } = this.#parts
    return new AddOperation(book, tasks, dedupeWindowMs)
  }

  async claim(queue: string, worker: string, limit: number): Promise<readonly Lease[]> {
    const { committer, book, counters } = this.#parts
    checkLimit(limit, 1_000)
    checkName(worker, 'worker', 255)
    queueName(queue)
    const leases = await committer.submit(new ClaimOperation(book, { queue, worker, limit }, counters))
    const bare = leases.filter(({ held }) => held.stored.bare)
    const payloads = await this.#payloads(bare)
    return leases.map((lease) => leaseOf(lease, payloads.get(lease.id)))
  }

  async report(reports: readonly Report[]): Promise<Reported> {
    const { committer, book } = this.#parts
    if (reports.length === 0) return { outcomes: [], ended: [] }
    for (const { reason = '' } of reports) {
      if (reason.length > 1_000) {
        throw new NitkaError('invalid', 'reason may have 1,000 characters', { field: 'reason' })
      }
    }
    return committer.submit(new ReportOperation(book, reports))
  }

  async extend(id: string, token: string, leaseMs: number): Promise<number | undefined> {
    const { committer, book } = this.#parts
    whole(leaseMs, 'leaseMs', 1, 366 * 24 * 60 * 60 * 1_000)
    const lease = await committer.submit(new LeaseOperation(book, id, token, { leaseMs }))
    return lease?.deadline
  }

  async progress(id: string, token: string, progress: string): Promise<{ readonly room?: string } | undefined> {
    const { committer, book } = this.#parts
    const lease = await committer.submit(new LeaseOperation(book, id, token, { progress }))
    const room = lease?.held.stored.task.room
    return lease && (room === undefined ? {} : { room })
  }

  release(worker: string, counts: boolean): Promise<readonly Ended[]> {
    const { committer, book } = this.#parts
    return committer.submit(new ReleaseOperation(book, worker, counts))
  }

  async expire(): Promise<readonly Ended[]> {
    const { committer, book, counters } = this.#parts
    const all: Ended[] = []
    for (;;) {
      const { ended, more } = await committer.submit(new ExpireOperation(book, counters))
      all.push(...ended)
      if (!more) return all
    }
  }

  nextDueMs(): number | undefined {
    const { book, clock } = this.#parts
    const { nextEnd } = book.leases
    let due = nextEnd === undefined ? Number.POSITIVE_INFINITY : nextEnd - clock.monotonic()
    const now = clock.now()
    for (const { delayed } of book.queues.values()) {
      if (delayed.count > 0) due = Math.min(due, delayed.low.major - now)
    }
    return due === Number.POSITIVE_INFINITY ? undefined : due
  }

  get(id: string): Promise<Task | undefined> {
    return this.#pages.get(id)
  }

  list(query: TaskQuery): Promise<TaskPage> {
    return this.#pages.list(query)
  }

  retry(which: Which): Promise<number> {
    return this.#dead(which, 'retry')
  }

  drop(which: Which): Promise<number> {
    return this.#dead(which, 'drop')
  }

  async bury(id: string, reason: string): Promise<{ readonly buried: boolean; readonly ended: readonly Ended[] }> {
    const { committer, book } = this.#parts
    if (!isId(id)) return { buried: false, ended: [] }
    return committer.submit(new BuryOperation(book, id, reason))
  }

  async purge(queue: string, limit: number): Promise<number> {
    const { committer, book, counters } = this.#parts
    checkLimit(limit, 1_000)
    queueName(queue)
    return committer.submit(new PurgeOperation(book, { queue, limit }, counters))
  }

  async configure(queue: string, settings: Partial<QueueSettings>): Promise<QueueSettings> {
    const { committer, book } = this.#parts
    queueName(queue)
    const { groupConcurrency = 0 } = settings
    whole(groupConcurrency, 'groupConcurrency', 0, 1_000_000)
    return committer.submit(new ConfigureOperation(book, queue, settings))
  }

  queues(): readonly QueueCounts[] {
    const { book, clock } = this.#parts
    const now = clock.now()
    const all = [...book.queues.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return all.map((queue) => queue.counts(now))
  }

  /** Resolves when what was done long ago is forgotten: for tests. */
  async swept(): Promise<void> {
    await this.#sweep.run() // The round that runs may have begun before now.
    await this.#sweep.run()
  }

  close(): Promise<void> {
    return this.#sweep.close()
  }

  async #dead(which: Which, what: 'retry' | 'drop'): Promise<number> {
    const { committer, book } = this.#parts
    let ids: readonly string[]
    if ('ids' in which) {
      ids = which.ids.filter((id) => isId(id))
    } else {
      checkLimit(which.limit, 1_000)
      ids = await this.#pages.deadIds(which.queue, which.limit)
    }
    return ids.length === 0 ? 0 : committer.submit(new DeadOperation(book, ids, what))
  }

  /** Payloads that are too large to be kept in memory while tasks wait. */
  async #payloads(leases: readonly LiveLease[]): Promise<ReadonlyMap<string, string>> {
    const payloads = new Map<string, string>()
    if (leases.length === 0) return payloads
    const bodies = await this.#parts.reader.view((view) => view.bodies(leases.map(({ id }) => taskKey(id))))
    for (const [i, { id }] of leases.entries()) {
      const body = bodies[i]
      if (body !== undefined) payloads.set(id, readTask(id, body, true).task.payload)
    }
    return payloads
  }
}

function leaseOf(lease: LiveLease, payload: string | undefined): Lease {
  const { task } = lease.held.stored
  return {
    task: payload === undefined ? task : { ...task, payload },
    attempt: lease.attempt,
    token: lease.token,
    worker: lease.claim.worker,
    deadline: lease.deadline,
  }
}

function ignore(): void {
  // The store failed, which its health tells.
}

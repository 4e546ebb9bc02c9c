// What a node knows of the tasks without asking: how queues stand, what is due next, which leases its own workers have. Counts
// are those of the last look, with what this node did since; they are exact again with the next look.

import type { Ended, Lease, QueueCounts, TaskState } from '../../tasks/task-store.ts'
import type { Clock } from '../../world.ts'
import { LastMinute } from '../last-minute.ts'

/** One queue of a look. */
export interface OverviewRow {
  readonly queue: string
  readonly paused: boolean
  readonly group_concurrency: number
  readonly ordered: boolean
  readonly ready: number
  readonly delayed: number
  readonly leased: number
  readonly done: number
  readonly dead: number
  readonly oldest: number | null
  /** Of all queues, and when that was, by the database's clock. */
  readonly due: number | null
  readonly now: number
}

/** A lease of a worker of this node. */
export interface OwnLease {
  readonly id: string
  readonly token: string
  readonly queue: string
  readonly worker: string
  readonly attempt: number
}

interface Standing {
  readonly settings: Pick<QueueCounts, 'paused' | 'groupConcurrency' | 'ordered'>
  readonly counts: Record<TaskState, number>
  readonly oldest: number | null
}

export class TaskBoard {
  readonly #clock: Clock
  #queues = new Map<string, Standing>()
  /** Tasks settled by this process. */
  readonly #settled = new Map<string, LastMinute>()
  readonly #own = new Map<string, OwnLease>()
  /** Bounded by the leases of this node's workers. */
  #due: number | undefined
  /** The database's time at a moment of this process. */
  #seen: { readonly wall: number; readonly at: number } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes over a look at all queues. True: something is due earlier than was known. */
  look(rows: readonly OverviewRow[]): boolean {
    this.#queues = new Map(
      rows.map(({ queue, paused, ordered, ready, delayed, leased, done, dead, oldest, ...row }) => [
        queue,
        {
          settings: { paused, groupConcurrency: row.group_concurrency, ordered },
          counts: { ready, delayed, leased, done, dead },
          oldest,
        },
      ]),
    )
    for (const queue of this.#settled.keys()) if (!this.#queues.has(queue)) this.#settled.delete(queue)
    const before = this.#due
    const [row] = rows
    if (row !== undefined) this.looked(row.due, row.now)
    else this.#due = undefined
    return this.#due !== undefined && (before === undefined || this.#due < before)
  }

  /** What is due next of all tasks, and what time it is. */
  looked(due: number | null, now: number): void {
    this.#due = due ?? undefined
    this.#seen = { wall: now, at: this.#clock.monotonic() }
  }

  /** This node made something due. Both by the database's clock. */
  dueAt(due: number, now: number): void {
    this.#due = Math.min(this.#due ?? due, due)
    this.#seen = { wall: now, at: this.#clock.monotonic() }
  }

  /** As `dueAt`, for what was not told its time. */
  dueIn(ms: number): void {
    const { wall, at } = this.#seen ?? { wall: this.#clock.now(), at: this.#clock.monotonic() }
    this.dueAt(wall + this.#clock.monotonic() - at + ms, wall + this.#clock.monotonic() - at)
  }

  get dueMs(): number | undefined {
    if (this.#due === undefined || this.#seen === undefined) return undefined
    return this.#due - this.#seen.wall - (this.#clock.monotonic() - this.#seen.at)
  }

  /** This node changed a count. */
  count(queue: string, state: TaskState, change: number): void {
    let standing = this.#queues.get(queue)
    if (standing === undefined) {
      const settings = { paused: false, groupConcurrency: 0, ordered: false }
      standing = { settings, counts: { ready: 0, delayed: 0, leased: 0, done: 0, dead: 0 }, oldest: null }
      this.#queues.set(queue, standing)
    }
    standing.counts[state] = Math.max(0, standing.counts[state] + change)
    if (state === 'done') this.#settle(queue, change)
  }

  configured(queue: string, settings: Standing['settings']): void {
    const { counts, oldest } = this.#queues.get(queue) ?? {
      counts: { ready: 0, delayed: 0, leased: 0, done: 0, dead: 0 },
      oldest: null,
    }
    this.#queues.set(queue, { settings, counts, oldest })
  }

  has(queue: string): boolean {
    return this.#queues.has(queue)
  }

  get size(): number {
    return this.#queues.size
  }

  /** Tasks that wait in a queue. */
  waiting(queue: string): number {
    const counts = this.#queues.get(queue)?.counts
    return counts === undefined ? 0 : counts.ready + counts.delayed
  }

  /** Queues that may have something to claim. */
  *ready(): Generator<string> {
    for (const [queue, { settings, counts }] of this.#queues) if (counts.ready > 0 && !settings.paused) yield queue
  }

  counts(): readonly QueueCounts[] {
    const now = this.#clock.now()
    return [...this.#queues]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([queue, { settings, counts, oldest }]) => {
        const donePerMinute = this.#settled.get(queue)?.sum(now) ?? 0
        const oldestReady = counts.ready > 0 && oldest !== null ? { oldestReady: oldest } : undefined
        return { ...settings, queue, ...counts, donePerMinute, ...oldestReady }
      })
  }

  /** Workers of this node have these now. */
  lease(leases: readonly Lease[]): void {
    for (const { task, token, worker, attempt } of leases) {
      this.#own.set(task.id, { id: task.id, token, queue: task.queue, worker, attempt })
    }
  }

  /** The lease is over. Gives it if it was one of this node's workers'. */
  end({ id, token }: Pick<Ended, 'id' | 'token'>): OwnLease | undefined {
    const own = this.#own.get(id)
    if (own?.token !== token) return undefined
    this.#own.delete(id)
    return own
  }

  /** Up to `count` leases of this node's workers, others each time: all of them have their turn. */
  some(count: number): readonly OwnLease[] {
    const some: OwnLease[] = []
    for (const [id, own] of this.#own) {
      if (some.length === count) break
      some.push(own)
      // To the end, behind those that wait for their turn.
      this.#own.delete(id)
    }
    for (const own of some) this.#own.set(own.id, own)
    return some
  }

  #settle(queue: string, count: number): void {
    const settled = this.#settled.get(queue) ?? new LastMinute()
    this.#settled.set(queue, settled)
    settled.add(this.#clock.now(), count)
  }
}

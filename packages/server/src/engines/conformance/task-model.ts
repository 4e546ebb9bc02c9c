// A model of the task store: plain maps and the rules as the guide states them, written without looking at any engine. It
// says what each call must give; where it leaves a choice (whose turn a group has), it checks what was chosen.

import assert from 'node:assert/strict'
import type { Ended, Lease, NewTask, QueueCounts, ReportOutcome, Task } from '../../tasks/task-store.ts'

type State = 'ready' | 'delayed' | 'leased' | 'done' | 'dead'

export interface ModelTask {
  readonly task: NewTask
  readonly seq: number
  state: State
  failures: number
  attempt: number
  /** Every token that was ever given out for it; the last one is current. */
  readonly tokens: string[]
  worker: string
  /** Tried again before all others of its group. */
  front: boolean
  /** Wall time. */
  until: number
  leaseMs: number
  /** Monotonic. */
  ends: number
  /** Wall time at which the lease began for the last time, and how often it began anew. */
  begun: number
  restarts: number
}

export interface Times {
  readonly wall: number
  readonly monotonic: number
}

/** So often a lease gets its full length again after a restart. */
const restartsMax = 3

export class TaskModel {
  readonly queue: string
  readonly tasks = new Map<string, ModelTask>()
  readonly keys = new Map<string, { readonly id: string; readonly payload: string; readonly stored: number }>()
  paused = false
  groupConcurrency = 0
  ordered = false
  removed = 0
  #seq = 0

  constructor(queue: string) {
    this.queue = queue
  }

  in(state: State): ModelTask[] {
    return [...this.tasks.values()].filter((task) => task.state === state)
  }

  /** Undefined: a key is in conflict, nothing is added. Otherwise the id and whether it is repeated, for each. */
  add(tasks: readonly NewTask[], now: Times, windowMs: number): { id: string; repeated: boolean }[] | undefined {
    const keys = new Map(this.keys)
    const answers = tasks.map((task) => {
      const known = task.key === undefined ? undefined : keys.get(task.key)
      if (known !== undefined && now.wall - known.stored < windowMs) {
        return known.payload === task.payload ? { id: known.id, repeated: true } : undefined
      }
      if (task.key !== undefined) keys.set(task.key, { id: task.id, payload: task.payload, stored: now.wall })
      return { id: task.id, repeated: false }
    })
    if (answers.includes(undefined)) return undefined
    for (const [key, value] of keys) this.keys.set(key, value)
    for (const [i, task] of tasks.entries()) {
      if (answers[i]?.repeated !== false) continue
      this.tasks.set(task.id, {
        ...{
          task,
          seq: ++this.#seq,
          state: task.delayMs > 0 ? 'delayed' : 'ready',
          failures: 0,
          attempt: 0,
          tokens: [],
        },
        ...{ worker: '', front: false, until: now.wall + task.delayMs, leaseMs: 0, ends: 0, begun: 0, restarts: 0 },
      })
    }
    return answers as { id: string; repeated: boolean }[]
  }

  /** The ready tasks of a group in their order. */
  #line(group: string | undefined): ModelTask[] {
    return this.in('ready')
      .filter(({ task }) => task.group === group)
      .sort((a, b) => rank(a) - rank(b) || a.seq - b.seq)
  }

  #open(group: string | undefined): boolean {
    if (group === undefined) return true
    const mine = [...this.tasks.values()].filter(({ task }) => task.group === group)
    const leased = mine.filter(({ state }) => state === 'leased').length
    const retrying = mine.filter(({ state, attempt }) => state === 'delayed' && attempt > 0).length
    if (this.ordered) return leased + retrying === 0
    return this.groupConcurrency === 0 || leased < this.groupConcurrency
  }

  /** Checks what a claim gave, and takes it over. */
  claimed(leases: readonly Lease[], worker: string, limit: number, now: Times): void {
    assert.ok(leases.length <= limit)
    if (this.paused) assert.equal(leases.length, 0, 'a paused queue hands nothing out')
    const served = new Map<string | undefined, number>()
    for (const { task, attempt, token, worker: holder } of leases) {
      const mine = this.tasks.get(task.id)
      assert.ok(mine !== undefined && mine.state === 'ready', `${task.id} was ${mine?.state} when it was claimed`)
      const { group } = mine.task
      assert.ok(this.#open(group), `the group ${group} may have no more`)
      assert.equal(this.#line(group)[0]?.task.id, task.id, 'the first of its line is handed out')
      assert.equal(attempt, mine.attempt + 1)
      assert.ok(!mine.tokens.includes(token), 'a token never comes again')
      assert.deepEqual(
        [task.payload, task.key, task.room, holder],
        [mine.task.payload, mine.task.key, mine.task.room, worker],
      )
      mine.tokens.push(token)
      const { leaseMs } = mine.task
      const lease = { leaseMs, ends: now.monotonic + leaseMs, begun: now.wall, restarts: 0 }
      Object.assign(mine, { state: 'leased', attempt, worker, ...lease })
      served.set(group, (served.get(group) ?? 0) + 1)
    }
    const left = [...new Set(this.in('ready').map(({ task }) => task.group))].filter((group) => this.#open(group))
    if (leases.length < limit && !this.paused) assert.deepEqual(left, [], 'nothing claimable was left')
    const most = Math.max(0, ...served.values())
    for (const group of left) assert.ok((served.get(group) ?? 0) >= most - 1, 'groups are served round robin')
  }

  /** What a report gives and does. */
  report(
    id: string,
    token: string | undefined,
    outcome: 'done' | 'failed',
    worker: string | undefined,
    now: Times,
  ): ReportOutcome {
    const mine = this.tasks.get(id)
    if (mine === undefined) return 'unknown'
    const current = token === undefined || token === mine.tokens.at(-1)
    const known = current || mine.tokens.includes(token)
    if (mine.state === 'done') return 'already'
    if (outcome === 'done') {
      if (current || (mine.state === 'dead' && known)) {
        mine.state = 'done'
        return 'done'
      }
      return 'stale'
    }
    if (mine.state === 'dead') return known ? 'dead' : 'stale'
    if (!current) return 'stale'
    if (mine.state !== 'leased') return 'failed'
    if (token === undefined && worker !== undefined && worker !== mine.worker) return 'stale'
    return this.#fail(mine, now, mine.task.backoff.ms) === 'dead' ? 'dead' : 'failed'
  }

  #fail(mine: ModelTask, now: Times, waitMs: number): State {
    mine.failures += 1
    this.#again(mine)
    mine.state = mine.failures >= mine.task.maxAttempts ? 'dead' : waitMs > 0 ? 'delayed' : 'ready'
    mine.until = now.wall + waitMs
    return mine.state
  }

  #again(mine: ModelTask): void {
    mine.front = this.ordered && mine.task.group !== undefined
  }

  /** The ids of leases that must end. */
  expire(now: Times): string[] {
    const ended = this.in('leased').filter(({ ends }) => ends <= now.monotonic)
    for (const mine of ended) this.#fail(mine, now, 0)
    for (const mine of this.in('delayed')) if (mine.until <= now.wall) mine.state = 'ready'
    return ended.map(({ task }) => task.id)
  }

  extend(id: string, token: string, leaseMs: number, now: Times): boolean {
    const mine = this.tasks.get(id)
    if (mine?.state !== 'leased' || mine.tokens.at(-1) !== token || mine.ends <= now.monotonic) return false
    Object.assign(mine, { leaseMs, ends: now.monotonic + leaseMs })
    return true
  }

  release(worker: string, counts: boolean, now: Times): string[] {
    const mine = this.in('leased').filter((task) => task.worker === worker)
    for (const task of mine) {
      if (counts) this.#fail(task, now, 0)
      else {
        this.#again(task)
        task.state = 'ready'
      }
    }
    return mine.map(({ task }) => task.id)
  }

  restart(now: Times): void {
    for (const mine of this.in('leased')) {
      if (mine.restarts < restartsMax) {
        Object.assign(mine, { restarts: mine.restarts + 1, ends: now.monotonic + mine.leaseMs, begun: now.wall })
      } else mine.ends = now.monotonic + Math.max(0, mine.begun + mine.leaseMs - now.wall)
    }
  }

  retry(): number {
    const dead = this.in('dead')
    for (const mine of dead) Object.assign(mine, { state: 'ready', failures: 0, front: false })
    return dead.length
  }

  remove(which: readonly ModelTask[]): number {
    for (const { task } of which) this.tasks.delete(task.id)
    this.removed += which.length
    return which.length
  }

  bury(id: string): boolean {
    const mine = this.tasks.get(id)
    if (mine === undefined || mine.state === 'done' || mine.state === 'dead') return false
    if (mine.state === 'leased') this.#again(mine)
    mine.state = 'dead'
    return true
  }

  checkCounts(counts: QueueCounts | undefined): void {
    const seen = counts ?? { ready: 0, delayed: 0, leased: 0, dead: 0, done: 0 }
    const { ready, delayed, leased, dead } = seen
    const mine = [this.in('ready'), this.in('delayed'), this.in('leased'), this.in('dead'), this.in('done')]
    assert.deepEqual(
      [ready, delayed, leased, dead, seen.done],
      mine.map((tasks) => tasks.length),
    )
  }

  checkTask(id: string, task: Task | undefined): void {
    const mine = this.tasks.get(id)
    if (mine === undefined) return assert.equal(task, undefined)
    assert.ok(task !== undefined, `${id} is lost`)
    assert.deepEqual([task.state, task.failures], [mine.state, mine.failures])
    assert.deepEqual(
      [task.payload, task.priority, task.group],
      [mine.task.payload, mine.task.priority, mine.task.group],
    )
    const last = task.attempts.findLast(({ outcome }) => outcome !== 'stale' && outcome !== 'buried')
    if (mine.state === 'leased')
      assert.deepEqual([last?.number, last?.worker, last?.ended], [mine.attempt, mine.worker, undefined])
  }

  checkEnded(ended: readonly Ended[], ids: readonly string[]): void {
    const mine = ended.filter(({ queue }) => queue === this.queue)
    assert.deepEqual(mine.map(({ id }) => id).sort(), [...ids].sort())
    for (const { id, dead } of mine) assert.equal(dead, this.tasks.get(id)?.state === 'dead', 'dead letters are told')
  }
}

function rank({ front, task }: ModelTask): number {
  return front ? Number.NEGATIVE_INFINITY : -task.priority
}

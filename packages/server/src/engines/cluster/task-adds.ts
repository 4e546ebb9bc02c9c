// How a node adds tasks: what may be added, the arguments of one statement for many calls, and who is told.

import { NitkaError } from '@nitka/protocol'
import type { Added, NewTask } from '../../tasks/task-store.ts'
import type { Clock } from '../../world.ts'
import { backlogBytesMax } from '../backlog.ts'
import { checkTask, queuesMax } from '../task-checks.ts'
import { Batcher, type Shared } from './batcher.ts'
import type { Database } from './database.ts'
import { Lanes } from './lanes.ts'
import type { TaskBoard } from './task-board.ts'
import { type AddRow, addArguments, addResults, addStatement } from './task-statements.ts'

export interface TaskAddsParts {
  readonly database: Database
  readonly board: TaskBoard
  readonly shared: Shared
  readonly clock: Clock
  /** How long a call waits for a key that somebody else has locked. */
  readonly lockedMs: number
  readonly dedupeWindowMs: number
  /** Tasks that may wait in a queue, 0: no limit. */
  readonly queueTasksMax: number
  /** Told the queues, one for each task that is ready now. */
  readonly onReady: (queues: readonly string[]) => void
}

export class TaskAdds {
  readonly #parts: TaskAddsParts
  readonly #calls: Batcher<readonly NewTask[], readonly Added[]>
  readonly #lanes: Lanes<readonly NewTask[], readonly Added[]>

  constructor(parts: TaskAddsParts) {
    this.#parts = parts
    const limits = { itemsMax: 1_000, weightMax: 4_194_304, waitingMax: backlogBytesMax }
    const { clock, lockedMs } = parts
    this.#lanes = new Lanes({
      ...{ clock, lockedMs, weightOf },
      locksOf: (tasks) => this.#locksOf(tasks),
      look: (locks, lookMs) => this.#locked(locks, lookMs),
      store: (calls, patienceMs) => this.#add(calls, patienceMs),
    })
    this.#calls = new Batcher((calls) => this.#lanes.store(calls), limits, parts.shared)
  }

  /** @throws NitkaError of `check`; of single tasks it is in their place */
  async add(tasks: readonly NewTask[]): Promise<readonly Added[]> {
    if (tasks.length === 0) return []
    const weight = this.check(tasks)
    return this.#calls.submit(tasks, weight)
  }

  /**
   * Whether tasks may be added, for a larger statement too. Gives their weight.
   * @throws NitkaError `invalid`, `overloaded` there are too many queues
   */
  check(tasks: readonly NewTask[]): number {
    const fresh = new Set<string>()
    for (const task of tasks) {
      checkTask(task)
      if (!this.#parts.board.has(task.queue)) fresh.add(task.queue)
    }
    if (fresh.size > 0 && this.#parts.board.size + fresh.size > queuesMax) {
      throw new NitkaError('overloaded', `there may be ${queuesMax} queues, no more`, { field: 'queue' })
    }
    return weightOf(tasks)
  }

  /** The arguments of `nitka.add_tasks` for these calls, of a larger statement too. */
  adding(calls: readonly (readonly NewTask[])[]): unknown[] {
    const { queueTasksMax, dedupeWindowMs } = this.#parts
    const wanted = new Map<string, number>()
    if (queueTasksMax > 0) {
      for (const { queue } of calls.flat()) wanted.set(queue, (wanted.get(queue) ?? 0) + 1)
    }
    const rooms = new Map<string, number>()
    for (const [queue, count] of wanted) {
      const room = queueTasksMax - this.#parts.board.waiting(queue)
      if (count > room) rooms.set(queue, room)
    }
    return addArguments(calls, { rooms, dedupeWindowMs })
  }

  /** Tasks were stored: those who wait for them are told. */
  added(tasks: readonly NewTask[], answers: readonly Added[]): void {
    for (const [i, { queue, delayMs }] of tasks.entries()) {
      if (answers[i]?.repeated !== false) continue
      this.#parts.board.count(queue, delayMs > 0 ? 'delayed' : 'ready', 1)
      if (delayMs > 0) this.#parts.board.dueIn(delayMs)
    }
    const ready = tasks.filter(({ delayMs }, i) => delayMs === 0 && answers[i]?.repeated === false)
    this.#parts.onReady(ready.map(({ queue }) => queue))
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#calls.idle()
    await this.#lanes.idle()
  }

  async #add(
    calls: readonly (readonly NewTask[])[],
    patienceMs: number,
  ): Promise<readonly (readonly Added[] | Error)[]> {
    const rows = await this.#parts.database.run<AddRow>(addStatement, [...this.adding(calls), patienceMs] as never)
    const results = addResults(calls, rows)
    for (const [i, result] of results.entries()) if (!(result instanceof Error)) this.added(calls[i] ?? [], result)
    return results
  }

  /** Keys, and queues that are not known: somebody else may just be making them. */
  #locksOf(tasks: readonly NewTask[]): readonly string[] {
    return tasks.flatMap(({ queue, key }) => [
      ...(key === undefined ? [] : [`${queue}:${key}`]),
      ...(this.#parts.board.has(queue) ? [] : [queue]),
    ])
  }

  async #locked(locks: ReadonlySet<string>, lookMs: number): Promise<ReadonlySet<string>> {
    const all = [...locks]
    const parts = all.map((lock): readonly [string, string | null] => {
      const end = lock.indexOf(':')
      return end < 0 ? [lock, null] : [lock.slice(0, end), lock.slice(end + 1)]
    })
    const rows = await this.#parts.database.run<{ pos: number }>(
      'select pos from nitka.locked_keys($1::text[], $2::text[], $3) as pos',
      [parts.map(([queue]) => queue), parts.map(([, key]) => key), lookMs],
    )
    return new Set(rows.map(({ pos }) => all[pos - 1] as string))
  }
}

function weightOf(tasks: readonly NewTask[]): number {
  let bytes = 0
  for (const { payload } of tasks) bytes += payload.length + 500
  return bytes
}

// Reading tasks for people: one by its id, pages of a state. Leases are in memory, everything else is on the disk.

import { isId, NitkaError } from '@nitka/protocol'
import type { Task, TaskPage, TaskQuery, TaskState } from '../../tasks/task-store.ts'
import { queueName } from '../task-checks.ts'
import { beyond, justAfter, spaces } from './keys.ts'
import { checkLimit } from './log-pages.ts'
import type { Reader, ReadView } from './reader.ts'
import { historyOf, type TaskBook } from './task-book.ts'
import { readStatus, readTask } from './task-codec.ts'
import { deadKey, lanePrefix, type Status, statusKey, taskKey } from './task-records.ts'

/** So many tasks a page looks at: one with few hits is short. */
const lookedMax = 2_000

export class TaskPages {
  readonly #book: TaskBook
  readonly #reader: Reader

  constructor(book: TaskBook, reader: Reader) {
    this.#book = book
    this.#reader = reader
  }

  async get(id: string): Promise<Task | undefined> {
    if (!isId(id)) return undefined
    const [task] = await this.#reader.view((view) => this.#tasks(view, [id]))
    return task
  }

  /** @throws NitkaError `invalid` */
  async list(query: TaskQuery): Promise<TaskPage> {
    checkLimit(query.limit, 500)
    if (query.queue !== undefined) queueName(query.queue)
    if (query.state === 'dead') return this.#dead(query)
    if (query.after !== undefined && !isId(query.after)) throw badCursor()
    return query.state === 'leased' ? this.#leased(query) : this.#all(query)
  }

  /** Ids of dead letters, for what is done to many. */
  async deadIds(queue: string | undefined, limit: number): Promise<readonly string[]> {
    const page = await this.#deadRows({ limit, ...(queue === undefined ? undefined : { queue }) })
    return page.rows.map(({ id }) => id)
  }

  async #dead(query: TaskQuery): Promise<TaskPage> {
    const { rows, more } = await this.#deadRows(query)
    const last = rows.at(-1)
    const tasks = await this.#reader.view((view) =>
      this.#tasks(
        view,
        rows.map(({ id }) => id),
      ),
    )
    const next = more && last !== undefined ? `${last.queue}/${last.id}` : undefined
    return { tasks: tasks.filter((task) => task?.state === 'dead') as Task[], next }
  }

  /** By queue and id. */
  async #deadRows({ queue, after, limit }: Omit<TaskQuery, 'state'>) {
    const space = queue === undefined ? spaces.dead : lanePrefix(spaces.dead, queue)
    let from = space
    if (after !== undefined) {
      const [afterQueue = '', id = ''] = after.split('/')
      if (!isId(id) || (queue !== undefined && afterQueue !== queue)) throw badCursor()
      from = justAfter(deadKey(queueName(afterQueue), id))
    }
    const rows = await this.#reader.view((view) => view.rows({ from, to: beyond(space), limit: limit + 1 }))
    const found = rows.map(([at]) => {
      const start = spaces.dead.length + 1
      const end = start + (at[start - 1] ?? 0)
      return { queue: at.toString('utf8', start, end), id: at.toString('utf8', end) }
    })
    return { rows: found.slice(0, limit), more: found.length > limit }
  }

  async #leased({ queue, after = '', limit }: TaskQuery): Promise<TaskPage> {
    const ids: string[] = []
    for (const lease of this.#book.leases.all()) {
      if (lease.id > after && (queue === undefined || lease.queue.name === queue)) ids.push(lease.id)
    }
    const page = ids.sort().slice(0, limit)
    const tasks = await this.#reader.view((view) => this.#tasks(view, page))
    return { tasks: tasks.filter((task) => task !== undefined), next: ids.length > limit ? page.at(-1) : undefined }
  }

  /** By id, whatever the state, or of one. */
  async #all({ queue, state, after, limit }: TaskQuery): Promise<TaskPage> {
    const wanted = (task: Task) => (queue ?? task.queue) === task.queue && (state ?? task.state) === task.state
    return this.#reader.view(async (view) => {
      const tasks: Task[] = []
      let last = after
      for (let looked = 0; looked < lookedMax; ) {
        const from = last === undefined ? spaces.task : justAfter(taskKey(last))
        const rows = await view.rows({ from, to: beyond(spaces.task), limit: 200 })
        if (rows.length === 0) return { tasks, next: undefined }
        const ids = rows.map(([at]) => at.toString('latin1', spaces.task.length))
        for (const [i, task] of (await this.#tasks(view, ids)).entries()) {
          if (task !== undefined && wanted(task)) {
            if (tasks.length === limit) return { tasks, next: last }
            tasks.push(task)
          }
          last = ids[i]
          looked += 1
        }
      }
      return { tasks, next: last }
    })
  }

  /** @throws NitkaError `damaged` */
  async #tasks(view: ReadView, ids: readonly string[]): Promise<(Task | undefined)[]> {
    const found = await view.bodies(ids.map(taskKey))
    const statuses = await view.bodies(ids.map(statusKey))
    return ids.map((id, i) => {
      const body = found[i]
      const status = statuses[i]
      return body === undefined ? undefined : this.#task(id, body, status && readStatus(status))
    })
  }

  #task(id: string, body: Buffer, status: Status | undefined): Task {
    const { task } = readTask(id, body, true)
    const lease = this.#book.leases.get(id)
    if (lease === undefined) {
      const { state = 'ready' as TaskState, history = [], failures = 0, until, progress } = status ?? {}
      return {
        ...task,
        ...{ state, failures, attempts: history },
        ...(until === undefined ? undefined : { until }),
        ...(progress === undefined ? undefined : { progress }),
      }
    }
    const running = { number: lease.attempt, worker: lease.claim.worker, started: lease.started }
    return {
      ...task,
      state: 'leased',
      failures: lease.held.status?.failures ?? 0,
      attempts: [...historyOf(lease), running],
      until: lease.deadline,
      ...(lease.progress === undefined ? undefined : { progress: lease.progress }),
    }
  }
}

function badCursor(): NitkaError {
  return new NitkaError('invalid', 'after must be what `next` of the page before said', { field: 'after' })
}

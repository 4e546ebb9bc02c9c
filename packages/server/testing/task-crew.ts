// People around the tasks of a cluster who are never sure of anything: adders who repeat under the same key until a node has
// confirmed, and workers who come back to another node, repeat reports, and sometimes vanish in the middle of a task. What they
// were told is kept, for the judge.

import type { NodeProcess } from './node-process.ts'
import { ask } from './server.ts'
import { type SeenTask, TaskStream } from './task-worker.ts'
import { pause } from './writer.ts'

/** The work of one worker on one attempt, in wall times of this machine. */
export interface Attempt {
  readonly id: string
  readonly number: number
  readonly start: number
  /** When its lease ends, as the worker was told. */
  readonly deadline: number
  /** Undefined: the worker vanished. */
  end: number | undefined
}

export interface CrewOptions {
  readonly nodes: readonly NodeProcess[]
  readonly leaseMs: number
  /** Of all who work. One in so many tasks is abandoned. */
  readonly vanishEvery: number
}

/** Refusals that may pass. */
const passing: ReadonlySet<number> = new Set([429, 503])
const batch = 5

export class TaskCrew {
  /** Ids whose adding was confirmed. */
  readonly added = new Set<string>()
  /** When a report was confirmed, by id. */
  readonly reported = new Map<string, number>()
  readonly attempts: Attempt[] = []
  readonly violations: string[] = []
  /** Requests without an answer, or refused for now. */
  repeats = 0
  streams = 0
  vanished = 0
  readonly #options: CrewOptions
  #adding = true
  #working = true
  #abandoned = false
  readonly #adders: Promise<void>[] = []
  readonly #workers: Promise<void>[] = []
  #turn = 0
  #count = 0
  readonly #open = new Set<TaskStream>()

  constructor(options: CrewOptions) {
    this.#options = options
  }

  /** Somebody adds tasks, a few at a time. */
  add(name: string): void {
    this.#adders.push(this.#add(name))
  }

  /** Somebody works, on one node after the other. */
  work(turn: number): void {
    this.#workers.push(this.#work(turn))
  }

  /** Resolves when what is being added is confirmed; no more follows. */
  async enough(): Promise<void> {
    this.#adding = false
    await Promise.all(this.#adders)
  }

  /** Resolves when nobody works any more. */
  async end(): Promise<void> {
    await this.enough()
    this.#working = false
    for (const stream of this.#open) stream.close()
    await Promise.all(this.#workers)
  }

  /** Ends at once: what is under way stays unsettled. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    await this.end()
  }

  async #add(name: string): Promise<void> {
    for (let n = 0; this.#adding; n++) {
      const tasks = Array.from({ length: batch }, (_, i) => ({
        ...{ payload: { work: (n * 7 + i * 13) % 40 }, key: `${name}-${n}-${i}` },
        // Some run out of attempts.
        maxAttempts: i === 0 ? 2 : 100,
      }))
      const { tasks: stored } = await this.#confirmed('/tasks', tasks)
      for (const { id } of stored) this.added.add(id)
      await pause(10)
    }
  }

  async #work(turn: number): Promise<void> {
    const { nodes } = this.#options
    for (let i = turn; this.#working; i++) {
      const node = nodes[i % nodes.length]
      const stream = await TaskStream.open(`${node?.url}/task?batchsize=${batch}`).catch(() => undefined)
      if (stream === undefined) {
        await pause(100)
        continue
      }
      this.#open.add(stream)
      this.streams++
      await this.#follow(stream).finally(() => this.#open.delete(stream))
      stream.close()
    }
  }

  async #follow(stream: TaskStream): Promise<void> {
    for (let seen = 0; !stream.closed; ) {
      await stream.until(({ tasks, closed }) => tasks.length > seen || closed, 'tasks', 3_600_000)
      const fresh = stream.tasks.slice(seen)
      seen += fresh.length
      if (fresh.length === 0) continue
      const attempts = fresh.map((task) => this.#begin(task))
      if (++this.#count % this.#options.vanishEvery === 0) {
        this.vanished++
        return
      }
      await pause(Math.max(...fresh.map(({ work }) => Number(work))))
      for (const attempt of attempts) attempt.end = Date.now()
      await this.#report(fresh)
    }
  }

  #begin({ Id: id, Attempt: number, Deadline: deadline }: SeenTask): Attempt {
    const attempt = { id, number, start: Date.now(), deadline: Date.parse(deadline), end: undefined }
    this.attempts.push(attempt)
    const confirmedAt = this.reported.get(id)
    // Its lease began after somebody was told that it is done.
    if (confirmedAt !== undefined && attempt.deadline - this.#options.leaseMs > confirmedAt) {
      this.violations.push(`${id} came again as attempt ${number} after it was reported`)
    }
    return attempt
  }

  async #report(tasks: readonly SeenTask[]): Promise<void> {
    const done = tasks.map(({ Id: id, Token: token }) => ({ id, token }))
    const { outcomes = {} } = await this.#confirmed('/report', { done })
    if (this.#abandoned) return
    for (const { id } of done) {
      const outcome = outcomes[id] ?? 'done'
      if (outcome === 'done' || outcome === 'already') {
        if (!this.reported.has(id)) this.reported.set(id, Date.now())
      } else if (outcome !== 'stale') this.violations.push(`${id}: a report was answered with ${outcome}`)
    }
  }

  /** Asks one node after the other until one has confirmed; when it is abandoned, the answer is empty. */
  async #confirmed(path: string, body: unknown): Promise<any> {
    const { nodes } = this.#options
    while (!this.#abandoned) {
      const node = nodes[this.#turn++ % nodes.length]
      const answer = await ask(node?.url ?? '', 'POST', path, body).catch(() => undefined)
      if (answer !== undefined && answer.status < 300) return answer.body
      if (answer !== undefined && !passing.has(answer.status)) {
        this.violations.push(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      }
      this.repeats++
      await pause(50)
    }
    return { tasks: [] }
  }
}

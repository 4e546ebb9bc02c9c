// All tasks of the store as far as they are in memory, and the moves between their states. Each move changes the memory and
// writes the records of the same change into the draft. Only planning calls them, so that nobody sees half a move.

import { isId, NitkaError } from '@nitka/protocol'
import { remembered } from '../../tasks/rules.ts'
import type { Attempt, AttemptOutcome, Ended } from '../../tasks/task-store.ts'
import { queuesMax } from '../task-checks.ts'
import type { Draft } from './draft.ts'
import { key, ordered, spaces } from './keys.ts'
import { readStatus, readTask, statusBytesMax, writeStatus } from './task-codec.ts'
import { Leases, type LiveLease } from './task-leases.ts'
import type { Line, Placed } from './task-line.ts'
import { groupsMax, Queue } from './task-queue.ts'
import {
  claimKey,
  deadKey,
  type Held,
  leaseKey,
  type Status,
  slim,
  statusKey,
  taskKey,
  writeLineRow,
} from './task-records.ts'

/** Where a task is. */
export type Whereabouts = { readonly lease: LiveLease } | { readonly held: Held } | undefined

export interface BookTools {
  /** Wall time and monotonic time. */
  now(): number
  monotonic(): number
  /** Chance, for back-offs. */
  fraction(): number
  readonly queueTasksMax: number
}

export class TaskBook {
  readonly queues = new Map<string, Queue>()
  readonly leases = new Leases()
  readonly tools: BookTools
  /** The number of the last claim. */
  claims = 0
  onReady: ((queue: string) => void) | undefined
  /** What the batch that is planned did to tasks that are in no lease. Undefined: removed. */
  readonly #recent = new Map<string, Held | undefined>()
  readonly #woken = new Set<string>()
  #done: string[] = []
  #open = false

  constructor(tools: BookTools) {
    this.tools = tools
  }

  /** The queue, made when it is not there. */
  queue(name: string): Queue {
    const known = this.queues.get(name)
    if (known !== undefined) return known
    const queue = new Queue(name)
    this.queues.set(name, queue)
    return queue
  }

  /** Begins with a batch: what it did is forgotten at its end. */
  begin(draft: Draft): void {
    if (this.#open) return
    this.#open = true
    draft.atEnd(() => {
      this.#open = false
      this.#recent.clear()
      this.#writeDone(draft)
      for (const queue of this.#woken) this.onReady?.(queue)
      this.#woken.clear()
    })
  }

  /** Its queue may have something to claim. */
  wake(queue: Queue): void {
    this.#woken.add(queue.name)
  }

  /** Asks for the records of a task, unless a lease of it runs: whatever ends that in this batch says so here. */
  ask(draft: Draft, id: string): void {
    if (this.leases.get(id) !== undefined || !isId(id)) return
    draft.slot(taskKey(id))
    draft.slot(statusKey(id))
  }

  /** Where a task is that was asked for. @throws NitkaError `damaged` */
  find(draft: Draft, id: string): Whereabouts {
    const lease = this.leases.get(id)
    if (lease !== undefined) return { lease }
    if (this.#recent.has(id)) {
      const held = this.#recent.get(id)
      return held && { held }
    }
    if (!isId(id)) return undefined
    const body = draft.slot(taskKey(id)).body
    if (body === undefined) return undefined
    const status = draft.slot(statusKey(id)).body
    return {
      held: { stored: readTask(id, body), status: status === undefined ? undefined : readStatus(status) },
    }
  }

  /** Puts a task among the ready ones of its lane. */
  putReady(draft: Draft, held: Held): void {
    const queue = this.queue(held.stored.task.queue)
    const lane = queue.lane(held.stored.task.group ?? '')
    const placed = { major: held.status?.rank ?? held.stored.rank, minor: held.stored.seq, held }
    lane.ready.insert(placed)
    queue.ready += 1
    writeRow(draft, lane.ready, placed)
    queue.change(draft)
    queue.changeLane(draft, lane)
    if (queue.enter(lane)) this.wake(queue)
  }

  /** Puts a task among the delayed ones of its queue, until its status says. */
  putDelayed(draft: Draft, held: Held): void {
    const queue = this.queue(held.stored.task.queue)
    const placed = { major: held.status?.until ?? 0, minor: held.stored.seq, held }
    queue.delayed.insert(placed)
    writeRow(draft, queue.delayed, placed)
    queue.change(draft)
    this.#retrying(draft, queue, held, 1)
  }

  /** Takes a task that is in no lease out of where its status says that it is. */
  takeOut(draft: Draft, held: Held): void {
    const { task, seq, rank } = held.stored
    const queue = this.queue(task.queue)
    const state = held.status?.state ?? 'ready'
    queue.change(draft)
    if (state === 'dead') {
      queue.dead -= 1
      return draft.deleteKey(deadKey(task.queue, task.id))
    }
    if (state === 'delayed') {
      const place = { major: held.status?.until ?? 0, minor: seq }
      queue.delayed.remove(place)
      deleteRow(draft, queue.delayed, place)
      return this.#retrying(draft, queue, held, -1)
    }
    if (state !== 'ready') return
    const lane = queue.lane(task.group ?? '')
    const place = { major: held.status?.rank ?? rank, minor: seq }
    lane.ready.remove(place)
    queue.ready -= 1
    deleteRow(draft, lane.ready, place)
    queue.changeLane(draft, lane)
  }

  /** Writes where a task is now that is in no lease. The caller puts it there. */
  putStatus(draft: Draft, held: Held, status: Status): Held {
    const after = { stored: slim(held.stored), status }
    const { writer } = draft
    writer.room(statusBytesMax(status))
    writer.bytes(spaces.status)
    writer.text(held.stored.task.id)
    writer.beginValue()
    writeStatus(writer, status)
    draft.writes.push(writer.endRecord())
    this.#recent.set(held.stored.task.id, after)
    return after
  }

  settle(draft: Draft, held: Held, status: Status): void {
    const queue = this.queue(held.stored.task.queue)
    queue.settled(this.tools.now())
    queue.change(draft)
    this.putStatus(draft, held, status)
    this.#done.push(held.stored.task.id)
  }

  bury(draft: Draft, held: Held, status: Status): void {
    const { queue: name, id } = held.stored.task
    const queue = this.queue(name)
    queue.dead += 1
    queue.change(draft)
    this.putStatus(draft, held, status)
    draft.putKey(deadKey(name, id), Buffer.alloc(0))
  }

  /** Removes all records of a task that is in no lease and was taken out. */
  remove(draft: Draft, held: Held): void {
    const { id } = held.stored.task
    draft.deleteKey(taskKey(id))
    draft.deleteKey(statusKey(id))
    this.#recent.set(id, undefined)
  }

  /** Ends a lease. The caller says where the task goes; `status` begins its new one. */
  end(
    draft: Draft,
    lease: LiveLease,
    attempt: { outcome: AttemptOutcome; reason?: string | undefined; lost: boolean },
  ): { readonly ended: Ended; readonly status: Omit<Status, 'state'> } {
    const { queue, lane, claim, held, id, token } = lease
    const outcome = attempt.outcome === 'stale' ? 'failed' : attempt.outcome
    this.leases.remove(lease)
    lane.leased -= 1
    queue.leased -= 1
    claim.live -= 1
    if (claim.live === 0) draft.deleteKey(claimKey(claim.number))
    if (lease.kept) draft.deleteKey(leaseKey(id))
    queue.changeLane(draft, lane)
    if (queue.enter(lane)) this.wake(queue)
    const { worker } = claim
    const ended: Ended = {
      ...{ id, queue: queue.name, worker, attempt: lease.attempt, token },
      how: outcome,
      lost: attempt.lost,
      dead: false,
      ...(attempt.reason === undefined ? undefined : { reason: attempt.reason }),
    }
    const line = { number: lease.attempt, worker, started: lease.started, ended: this.tools.now(), outcome }
    const counts = outcome === 'failed' || outcome === 'expired' || outcome === 'released'
    const status = {
      rank: this.#rankAgain(queue, held),
      attempt: lease.attempt,
      failures: (held.status?.failures ?? 0) + (counts ? 1 : 0),
      token,
      history: remembered(historyOf(lease), attempt.reason === undefined ? line : { ...line, reason: attempt.reason }),
      ...(lease.progress === undefined ? undefined : { progress: lease.progress }),
    }
    return { ended, status }
  }

  /** @throws NitkaError `overloaded` not all of these queues can be made */
  demandQueues(names: readonly string[]): void {
    const fresh = names.filter((name) => !this.queues.has(name)).length
    if (this.queues.size + fresh > queuesMax) {
      throw new NitkaError('overloaded', `there may be ${queuesMax} queues, no more`, { field: 'queue' })
    }
  }

  /** @throws NitkaError `overloaded` so many tasks more, of these groups, do not fit into the queue */
  demandRoom(name: string, count: number, groups: ReadonlySet<string>): void {
    const queue = this.queues.get(name) ?? new Queue(name)
    const { queueTasksMax } = this.tools
    if (queueTasksMax !== 0 && queue.ready + queue.delayed.count + count > queueTasksMax) {
      throw new NitkaError('overloaded', `the queue ${name} may hold ${queueTasksMax} waiting tasks, no more`)
    }
    let lanes = queue.lanes.size
    for (const group of groups) if (!queue.lanes.has(group)) lanes += 1
    if (lanes > groupsMax) {
      throw new NitkaError('overloaded', `the queue ${name} may have tasks of ${groupsMax} groups, no more`)
    }
  }

  /** In an ordered group a task that is tried again comes before all others. */
  #rankAgain(queue: Queue, held: Held): number {
    return queue.ordered && held.stored.task.group !== undefined ? 0 : held.stored.rank
  }

  #retrying(draft: Draft, queue: Queue, held: Held, change: 1 | -1): void {
    if ((held.status?.attempt ?? 0) === 0) return
    const lane = queue.lane(held.stored.task.group ?? '')
    lane.retrying += change
    queue.changeLane(draft, lane)
    if (change < 0 && queue.enter(lane)) this.wake(queue)
  }

  /** One list of what is to be forgotten, for the whole batch. Its first id makes its key its own. */
  #writeDone(draft: Draft): void {
    const [first] = this.#done
    if (first === undefined) return
    draft.putKey(key(spaces.done, ordered(this.tools.now()), Buffer.from(first)), Buffer.from(this.#done.join('')))
    this.#done = []
  }
}

/** The attempts before the one that runs, and what was heard of them since. */
export function historyOf(lease: LiveLease): readonly Attempt[] {
  let history = lease.held.status?.history ?? []
  for (const note of lease.notes) history = remembered(history, note)
  return history
}

/** Runs once per task that becomes ready. */
function writeRow(draft: Draft, line: Line, { major, minor, held }: Placed): void {
  const { writer } = draft
  writer.room(line.prefix.length + 120)
  writer.bytes(line.prefix)
  writer.number(major)
  writer.number(minor)
  writer.beginValue()
  writeLineRow(writer, { id: held.stored.task.id, tried: held.status !== undefined, bytes: held.stored.size })
  draft.writes.push(writer.endRecord())
}

/** Runs once per task that is claimed. */
export function deleteRow(draft: Draft, line: Line, place: { readonly major: number; readonly minor: number }): void {
  const { writer } = draft
  writer.room(line.prefix.length + 12)
  writer.bytes(line.prefix)
  writer.number(place.major)
  writer.number(place.minor)
  draft.deleteKey(writer.endKey())
}

// Reads what of the tasks must be in memory: queues, lanes, leases. Waiting tasks stay on the disk.

import { NitkaError } from '@nitka/protocol'
import { tokenOf } from '../../tasks/rules.ts'
import type { Disk } from './disk.ts'
import type { Draft, Operation } from './draft.ts'
import { beyond, justAfter, lastNumber, spaces } from './keys.ts'
import type { TaskBook } from './task-book.ts'
import { readStatus, readTask } from './task-codec.ts'
import type { Claim, LiveLease } from './task-leases.ts'
import { Lane, Queue, readLaneKey } from './task-queue.ts'
import {
  type ClaimRecord,
  claimKey,
  jsonBody,
  type LeaseRecord,
  leaseKey,
  readJson,
  statusKey,
  taskKey,
} from './task-records.ts'
import { unseal } from './values.ts'

/** So often a lease gets its full length again: a server that crashes in a loop must not hold a task for ever. */
const restartsMax = 3

/**
 * Fills the book. Gives the claims that go on, to be written with the first batch.
 * @throws NitkaError `damaged`
 */
export async function loadTasks(disk: Disk, book: TaskBook): Promise<ResumeOperation> {
  for await (const [at, body] of bodies(disk, spaces.queue)) {
    const name = at.toString('utf8', spaces.queue.length)
    book.queues.set(name, Queue.read(name, body))
  }
  for await (const [at, body] of bodies(disk, spaces.lane)) {
    const names = readLaneKey(at)
    const lane = Lane.read(names.queue, names.lane, body)
    const queue = book.queue(names.queue)
    queue.lanes.set(names.lane, lane)
    queue.ready += lane.ready.count
  }
  const claims: Resumed[] = []
  for await (const [at, body] of bodies(disk, spaces.claim)) {
    claims.push(await resume(disk, book, lastNumber(at), readJson<ClaimRecord>(body)))
  }
  for (const queue of book.queues.values()) queue.enterAll()
  return new ResumeOperation(claims)
}

interface Resumed {
  readonly claim: Claim
  readonly record: ClaimRecord
}

async function resume(disk: Disk, book: TaskBook, number: number, record: ClaimRecord): Promise<Resumed> {
  const { tools } = book
  const again = record.restarts < restartsMax
  const next = again ? { ...record, restarts: record.restarts + 1, begun: tools.now() } : record
  const claim: Claim = { number, worker: record.worker, live: 0 }
  book.claims = Math.max(book.claims, number)
  const leases: LiveLease[] = []
  const ids = record.leases.map(([id]) => id)
  const tasks = await read(disk, ids.map(taskKey))
  const statuses = await read(disk, ids.map(statusKey))
  const kept = await read(disk, ids.map(leaseKey))
  for (const [i, [id, attempt]] of record.leases.entries()) {
    const body = tasks[i]
    const statusBody = statuses[i]
    const status = statusBody && readStatus(statusBody)
    // Ended leases stay in the record of their claim until the last one has ended.
    if (body === undefined || (status?.attempt ?? 0) >= attempt) continue
    const stored = readTask(id, body)
    const change = kept[i] && readJson<LeaseRecord>(kept[i])
    const { leaseMs = stored.task.leaseMs, notes = [], progress } = change?.attempt === attempt ? change : {}
    const queue = book.queue(stored.task.queue)
    const lane = queue.lane(stored.task.group ?? '')
    const leftMs = again ? leaseMs : Math.max(0, record.begun + leaseMs - tools.now())
    lane.leased += 1
    queue.leased += 1
    leases.push({
      ...{ id, queue, lane, claim, attempt, leaseMs, notes, started: record.started },
      held: { stored, status },
      token: tokenOf(attempt, number),
      deadline: tools.now() + leftMs,
      ends: tools.monotonic() + leftMs,
      kept: change !== undefined,
      progress: progress ?? status?.progress,
    })
  }
  claim.live = leases.length
  book.leases.add(leases)
  return { claim, record: next }
}

/** Writes how often the leases began anew. */
export class ResumeOperation implements Operation<void> {
  readonly bytes: number
  readonly essential = true
  readonly #claims: readonly Resumed[]

  constructor(claims: readonly Resumed[]) {
    this.#claims = claims
    this.bytes = claims.length * 1_000
  }

  get nothing(): boolean {
    return this.#claims.length === 0
  }

  ask(): void {
    // All of it is here.
  }

  plan(draft: Draft): void {
    for (const { claim, record } of this.#claims) {
      if (claim.live > 0) draft.putKey(claimKey(claim.number), jsonBody(record))
      else draft.deleteKey(claimKey(claim.number))
    }
  }
}

async function read(disk: Disk, keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
  const values = await disk.getMany(keys)
  return keys.map((at, i) => {
    const value = values[i]
    return value && opened(at, value)
  })
}

async function* bodies(disk: Disk, space: Buffer): AsyncGenerator<readonly [Buffer, Buffer]> {
  let from = space
  for (;;) {
    const rows = await disk.scan({ from, to: beyond(space), limit: 1_000 })
    for (const [at, value] of rows) {
      yield [at, opened(at, value)]
      from = justAfter(at)
    }
    if (rows.length === 0) return
  }
}

function opened(at: Buffer, value: Buffer): Buffer {
  const body = unseal(at, value)
  if (body === undefined) {
    throw new NitkaError('damaged', 'a record of the tasks failed its checksum: restore a backup (see docs/storage.md)')
  }
  return body
}

// Reads all of a store, record by record in the order of its keys, a piece at a time.

import { NitkaError } from '@nitka/protocol'
import type { LogName } from '../../log/log-store.ts'
import { remembered } from '../../tasks/rules.ts'
import { readRemembered } from './append.ts'
import { type ArchiveRecord, type ArchiveSection, archiveOrder, type Remembered } from './archive-records.ts'
import type { Row } from './disk.ts'
import { beyond, justAfter, key, lastNumber, logBytes, readLogName, spaces } from './keys.ts'
import { readState } from './log-heads.ts'
import type { EmbeddedPoolStore } from './pool-store.ts'
import type { Reader } from './reader.ts'
import { readMember, readRoom } from './room-directory.ts'
import { historyOf, type TaskBook } from './task-book.ts'
import { readStatus, readTask } from './task-codec.ts'
import type { LiveLease } from './task-leases.ts'
import { Queue } from './task-queue.ts'
import { type Status, statusKey } from './task-records.ts'
import { Parts, readEntry, unseal } from './values.ts'

export interface ArchiveParts {
  readonly reader: Reader
  readonly book: TaskBook
  readonly pools: EmbeddedPoolStore
  /** Wall time: leases are given back then. */
  readonly now: number
}

/** @param logs whether a log is wanted */
export async function* readArchive(
  parts: ArchiveParts,
  sections: ReadonlySet<ArchiveSection>,
  logs: (log: LogName) => boolean,
): AsyncGenerator<ArchiveRecord> {
  for (const section of archiveOrder) {
    if (!sections.has(section)) continue
    if (section === 'log') yield* logRecords(parts.reader, logs)
    else if (section === 'task') yield* taskRecords(parts)
    else if (section === 'pool') yield* poolRecords(parts.pools)
    else {
      for await (const [at, body] of bodies(parts.reader, spaces[spaceOf[section]])) {
        const record = simple[section](at, body)
        if (!('log' in record) || logs(record.log)) yield record
      }
    }
  }
}

type Simple = Exclude<ArchiveSection, 'log' | 'task' | 'pool'>

const spaceOf = {
  room: 'room',
  member: 'member',
  cursor: 'cursor',
  sent: 'dedupe',
  queue: 'queue',
  once: 'once',
} as const satisfies Record<Simple, keyof typeof spaces>

/** What one key and its body say. */
export const simple = {
  room: (at, body) => ({ type: 'room', ...readRoom(at.toString('utf8', spaces.room.length), body).room }),
  member: (at, body) => ({ type: 'member', ...readMember(at, body) }),
  cursor: (at, body) => {
    const log = readLogName(at, spaces.cursor.length)
    const parts = new Parts(body)
    const name = at.toString('utf8', spaces.cursor.length + logBytes(log).length)
    return { type: 'cursor', log, name, offset: parts.number(), time: parts.number() }
  },
  sent: (at, body) => {
    const log = readLogName(at, spaces.dedupe.length)
    const parts = new Parts(at.subarray(spaces.dedupe.length + logBytes(log).length))
    return { type: 'sent', log, sender: parts.name(), clientId: parts.rest(), ...rememberedOf(body) }
  },
  queue: (at, body) => {
    const queue = Queue.read(at.toString('utf8', spaces.queue.length), body)
    return { type: 'queue', queue: queue.name, ...queue.settings, arrivals: queue.seq, done: queue.done }
  },
  once: (at, body) => {
    const parts = new Parts(at.subarray(spaces.once.length))
    return { type: 'once', queue: parts.name(), key: parts.rest(), ...rememberedOf(body) }
  },
} as const satisfies Readonly<Record<Simple, (at: Buffer, body: Buffer) => ArchiveRecord>>

function rememberedOf(body: Buffer): Remembered {
  const { stored, hash, appended } = readRemembered(body)
  return { stored, hash: hash.toString('hex'), time: appended.time, id: appended.id, offsets: appended.offsets }
}

/** The rows of a space, from `begin` on. */
export async function* rows(reader: Reader, space: Buffer, begin: Buffer = space): AsyncGenerator<Row> {
  let from = begin
  for (;;) {
    const found = await reader.view((view) => view.rows({ from, to: beyond(space), limit: 1_000 }))
    const last = found.at(-1)
    if (last === undefined) return
    yield* found
    from = justAfter(last[0])
  }
}

/** @throws NitkaError `damaged` */
async function* bodies(reader: Reader, space: Buffer): AsyncGenerator<readonly [Buffer, Buffer]> {
  for await (const [at, value] of rows(reader, space)) yield [at, opened(at, value)]
}

/** @throws NitkaError `damaged` */
export function opened(at: Buffer, value: Buffer): Buffer {
  const body = unseal(at, value)
  if (body === undefined) throw new NitkaError('damaged', 'a record of the store failed its checksum: restore a backup')
  return body
}

/** Entries of these logs, damaged ones included. */
export async function entryCount(reader: Reader, wanted: (log: LogName) => boolean): Promise<number> {
  let count = 0
  for await (const [at, value] of rows(reader, spaces.log)) {
    const state = wanted(readLogName(at, spaces.log.length)) ? readState(at, value, '') : undefined
    if (state !== undefined) count += state.head - state.first + 1
  }
  return count
}

async function* logRecords(reader: Reader, wanted: (log: LogName) => boolean): AsyncGenerator<ArchiveRecord> {
  for await (const [at, value] of rows(reader, spaces.log)) {
    const log = readLogName(at, spaces.log.length)
    if (!wanted(log)) continue
    const state = readState(at, value, '')
    if (state === undefined) throw new NitkaError('damaged', `the state of the log ${log.kind} ${log.id} is damaged`)
    const { epoch: _epoch, ...known } = state
    yield { type: 'log', log, ...known }
    yield* entryRecords(reader, log, known)
  }
}

/** The entries that can be read, and the holes between them. */
async function* entryRecords(
  reader: Reader,
  log: LogName,
  { first, head }: { readonly first: number; readonly head: number },
): AsyncGenerator<ArchiveRecord> {
  const space = key(spaces.entry, logBytes(log))
  let next = first
  for await (const [at, value] of rows(reader, space)) {
    const offset = lastNumber(at)
    const body = unseal(at, value)
    if (offset < next || offset > head || body === undefined) continue
    if (offset > next) yield { type: 'hole', log, from: next, to: offset - 1 }
    yield { type: 'entry', log, ...readEntry(body, offset) }
    next = offset + 1
  }
  if (next <= head) yield { type: 'hole', log, from: next, to: head }
}

/** Tasks that are not done. What is leased is ready again: its worker does not know the store that this goes to. */
async function* taskRecords({ reader, book, now }: ArchiveParts): AsyncGenerator<ArchiveRecord> {
  for await (const [at, body] of bodies(reader, spaces.task)) {
    const id = at.toString('latin1', spaces.task.length)
    const { task, seq, rank } = readTask(id, body, true)
    const lease = book.leases.get(id)
    const statusBody = lease === undefined ? await reader.view((view) => view.body(statusKey(id))) : undefined
    const status = lease === undefined ? statusBody && readStatus(statusBody) : givenBack(lease, rank, now)
    if (status?.state === 'done') continue
    yield { type: 'task', task, arrival: seq, ...(status === undefined ? undefined : { status }) }
  }
}

function givenBack(lease: LiveLease, rank: number, now: number): Status {
  const { attempt, claim, started, held, queue, token, progress } = lease
  const last = { number: attempt, worker: claim.worker, started, ended: now, outcome: 'released' } as const
  const front = queue.ordered && held.stored.task.group !== undefined
  return {
    ...{ state: 'ready', rank: front ? 0 : rank, attempt, failures: held.status?.failures ?? 0 },
    history: remembered(historyOf(lease), { ...last, reason: 'its store was exported' }),
    token,
    ...(progress === undefined ? undefined : { progress }),
  }
}

/** Resources and bookings. A hold ends with the connection that has it, which does not come along. */
async function* poolRecords(pools: EmbeddedPoolStore): AsyncGenerator<ArchiveRecord> {
  for (const record of await pools.load()) {
    const { kind } = record
    if (kind !== 'hold') yield { type: 'pool', ...record, kind }
  }
}

// Reads all of a store, section by section, a piece at a time.

import { NitkaError } from '@nitka/protocol'
import type { LogName } from '../../log/log-store.ts'
import { opened, rows, simple } from './archive-read.ts'
import type { Row } from './disk.ts'
import { beyond, justAfter, key, lastNumber, readLogName, spaces } from './keys.ts'
import { readState } from './log-heads.ts'
import { readPoolKey } from './pool-store.ts'
import type { Reader } from './reader.ts'
import { readRoom } from './room-directory.ts'
import { historyOf, type TaskBook } from './task-book.ts'
import { readStatus, readTask } from './task-codec.ts'
import type { LiveLease } from './task-leases.ts'
import { statusKey } from './task-records.ts'
import { readEntry, unseal } from './values.ts'
import type { Placed, WholeLease, WholeRecords, WholeSection, WholeTask } from './whole-records.ts'

interface Parts {
  readonly reader: Reader
  readonly book: TaskBook
}

/** @throws NitkaError `damaged` */
export function wholeRecords<Section extends WholeSection>(
  parts: Parts,
  section: Section,
  after: Buffer | undefined,
): AsyncGenerator<Placed<Section>> {
  if (section === 'log') return logRecords(parts.reader, after) as AsyncGenerator<Placed<Section>>
  if (section === 'entry') return entryRecords(parts.reader, after) as AsyncGenerator<Placed<Section>>
  if (section === 'task') return taskRecords(parts, after) as AsyncGenerator<Placed<Section>>
  return plainRecords(parts.reader, section as Plain, after) as AsyncGenerator<Placed<Section>>
}

type Plain = Exclude<WholeSection, 'log' | 'entry' | 'task'>

const spaceOf = {
  room: 'room',
  member: 'member',
  cursor: 'cursor',
  sent: 'dedupe',
  queue: 'queue',
  done: 'queue',
  once: 'once',
  pool: 'pool',
} as const satisfies Record<Plain, keyof typeof spaces>

/** What one key and its body say. */
const read: { readonly [Section in Plain]: (at: Buffer, body: Buffer) => WholeRecords[Section] } = {
  room: (at, body) => {
    const { room, members } = readRoom(at.toString('utf8', spaces.room.length), body)
    return { ...room, members }
  },
  member: simple.member,
  cursor: simple.cursor,
  sent: simple.sent,
  queue: simple.queue,
  done: simple.queue,
  once: simple.once,
  pool: (at, body) => ({ ...readPoolKey(at), value: body.toString() }),
}

async function* plainRecords(reader: Reader, section: Plain, after: Buffer | undefined): AsyncGenerator<Placed<Plain>> {
  const space = spaces[spaceOf[section]]
  for await (const [at, value] of rows(reader, space, after && justAfter(after))) {
    yield [at, read[section](at, opened(at, value))]
  }
}

async function* logRecords(reader: Reader, after: Buffer | undefined): AsyncGenerator<Placed<'log'>> {
  for await (const [at, value] of rows(reader, spaces.log, after && justAfter(after))) yield [at, readLog(at, value)]
}

function readLog(at: Buffer, value: Buffer): WholeRecords['log'] {
  const log = readLogName(at, spaces.log.length)
  const state = readState(at, value, '')
  if (state === undefined) throw damagedState(log)
  const { epoch: _epoch, ...known } = state
  return { log, ...known }
}

/** Walks logs and entries side by side: each log must have all of its entries, and each entry its log. */
async function* entryRecords(reader: Reader, after: Buffer | undefined): AsyncGenerator<Placed<'entry'>> {
  const entries = rows(reader, spaces.entry, after && justAfter(after))
  let row = await entries.next()
  let known = after === undefined ? 0 : lastNumber(after)
  for await (const [at, value] of rows(reader, spaces.log, after && logKeyOf(after))) {
    const { log, first, head } = readLog(at, value)
    const prefix = key(spaces.entry, at.subarray(spaces.log.length))
    let next = Math.max(first, known + 1)
    known = 0
    for (; row.done !== true && isOf(row.value, prefix); row = await entries.next()) {
      const [entryAt, sealed] = row.value
      const offset = lastNumber(entryAt)
      if (offset < first) continue // Trimmed, and to be removed.
      const body = unseal(entryAt, sealed)
      if (offset !== next || offset > head || body === undefined) throw damagedEntries(log, next)
      yield [entryAt, { log, ...readEntry(body, offset) }]
      next++
    }
    if (next <= head) throw damagedEntries(log, next)
  }
  if (row.done !== true) throw damagedEntries(readLogName(row.value[0], spaces.entry.length), lastNumber(row.value[0]))
}

function logKeyOf(entry: Buffer): Buffer {
  return key(spaces.log, entry.subarray(spaces.entry.length, entry.length - 6))
}

function isOf([at]: Row, prefix: Buffer): boolean {
  return at.length === prefix.length + 6 && at.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
}

async function* taskRecords({ reader, book }: Parts, after: Buffer | undefined): AsyncGenerator<Placed<'task'>> {
  let from = after === undefined ? spaces.task : justAfter(after)
  for (;;) {
    const found = await reader.view(async (view) => {
      const tasks = await view.rows({ from, to: beyond(spaces.task), limit: 500 })
      const statuses = await view.bodies(tasks.map(([at]) => statusKey(idOf(at))))
      return tasks.map(([at, value], i) => ({ at, body: view.open(at, value), status: statuses[i] }))
    })
    for (const { at, body, status } of found) {
      yield [at, taskOf(idOf(at), body, status, book.leases.get(idOf(at)))]
      from = justAfter(at)
    }
    if (found.length === 0) return
  }
}

function idOf(at: Buffer): string {
  return at.toString('latin1', spaces.task.length)
}

function taskOf(id: string, body: Buffer, status: Buffer | undefined, lease: LiveLease | undefined): WholeTask {
  const { task, seq, rank } = readTask(id, body, true)
  if (lease !== undefined) return { task, arrival: seq, rank, lease: leaseOf(lease) }
  return { task, arrival: seq, rank, ...(status === undefined ? undefined : { status: readStatus(status) }) }
}

function leaseOf(lease: LiveLease): WholeLease {
  const { attempt, token, claim, started, leaseMs, held, progress } = lease
  return {
    ...{ attempt, token, worker: claim.worker, started, leaseMs },
    ...{ failures: held.status?.failures ?? 0, history: historyOf(lease) },
    ...(progress === undefined ? undefined : { progress }),
  }
}

function damagedState({ kind, id }: LogName): NitkaError {
  return new NitkaError('damaged', `the state of the log ${kind} ${id} is damaged: restore a backup`)
}

function damagedEntries({ kind, id }: LogName, offset: number): NitkaError {
  return new NitkaError(
    'damaged',
    `the log ${kind} ${id} has lost its entry ${offset}, and a database could not say so: restore a backup`,
  )
}

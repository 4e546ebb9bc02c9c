// Writes records of an archive into a new store, through the committer as everything: offsets, places and counts as they
// were, in batches of many.

import { NitkaError } from '@nitka/protocol'
import { historyMax } from '../../tasks/rules.ts'
import { checkAppend } from '../append-rules.ts'
import { checkName, nameBytes } from '../names.ts'
import { checkTask, queueName } from '../task-checks.ts'
import { putEntry, rememberedBody } from './append.ts'
import type { ArchiveRecord } from './archive-records.ts'
import type { Draft, Operation } from './draft.ts'
import { counted, key, logBytes, ordered, spaces } from './keys.ts'
import { putTask } from './task-add.ts'
import type { TaskBook } from './task-book.ts'
import { onceKey, rankOf, slim } from './task-records.ts'
import { seal } from './values.ts'

/** What the ports do as well is left to them. */
export type RestorableRecord = Exclude<ArchiveRecord, { readonly type: 'room' | 'member' | 'pool' }>

/** What the store relies on. @throws NitkaError `invalid`, with the field */
export function checkRecord(record: RestorableRecord): void {
  if ('log' in record) nameBytes(record.log.id, 'log.id', 128)
  if (record.type === 'entry') {
    const { clientId, offset: _offset, counted: _counted, type: _type, ...entry } = record
    checkAppend({ entries: [{ ...entry, counts: true }], ...(clientId === undefined ? undefined : { clientId }) })
  } else if (record.type === 'log') {
    if (record.headId !== '') checkName(record.headId, 'headId', 64)
  } else if (record.type === 'cursor') nameBytes(record.name, 'name', 200)
  else if (record.type === 'sent') {
    checkName(record.clientId, 'clientId', 64)
    if (record.sender !== '') checkName(record.sender, 'sender', 255)
  } else if (record.type === 'queue') queueName(record.queue)
  else if (record.type === 'once') {
    queueName(record.queue)
    nameBytes(record.key, 'key', 128)
  } else if (record.type === 'task') checkTaskRecord(record)
}

function checkTaskRecord({ task, status }: Extract<ArchiveRecord, { type: 'task' }>): void {
  checkTask(task)
  if (status === undefined) return
  const { state, until, history, token } = status
  if (state === 'delayed' && until === undefined) {
    throw new NitkaError('invalid', 'status.until is missing', { field: 'status.until' })
  }
  if (token !== undefined) checkName(token, 'status.token', 64)
  if (history.length > historyMax) {
    throw new NitkaError('invalid', `status.history has at most ${historyMax} attempts`, { field: 'status.history' })
  }
  for (const { worker } of history) if (worker !== '') checkName(worker, 'status.history.worker', 255)
}

export class RestoreOperation implements Operation<void> {
  readonly bytes: number
  readonly essential = false
  readonly #records: readonly RestorableRecord[]
  readonly #book: TaskBook

  constructor(book: TaskBook, records: readonly RestorableRecord[]) {
    this.#book = book
    this.#records = records
    this.bytes = records.reduce((bytes, record) => bytes + sizeOf(record), 0)
  }

  ask(draft: Draft): void {
    for (const record of this.#records) {
      if (record.type === 'log' || record.type === 'entry') draft.log(record.log)
    }
  }

  plan(draft: Draft): void {
    this.#book.begin(draft)
    for (const record of this.#records) this.#write(draft, record)
  }

  /** Runs once per record. */
  #write(draft: Draft, record: RestorableRecord): void {
    if (record.type === 'entry') {
      putEntry(draft, draft.log(record.log), record, record)
    } else if (record.type === 'log') {
      const head = draft.log(record.log)
      head.first = record.first
      head.head = record.head
      head.headId = record.headId
      head.counted = record.counted
      draft.change(head)
    } else if (record.type === 'cursor') {
      const at = key(spaces.cursor, logBytes(record.log), Buffer.from(record.name))
      draft.putKey(at, Buffer.concat([ordered(record.offset), ordered(record.time)]))
    } else if (record.type === 'sent') {
      const sender = counted(Buffer.from(record.sender))
      const at = key(spaces.dedupe, logBytes(record.log), sender, Buffer.from(record.clientId))
      this.#remember(draft, at, record)
    } else if (record.type === 'once') this.#remember(draft, onceKey(record.queue, record.key), record)
    else if (record.type === 'queue') {
      const { paused, groupConcurrency, ordered: strict, arrivals, done } = record
      const queue = this.#book.queue(record.queue)
      Object.assign(queue, { paused, groupConcurrency, ordered: strict, done, seq: arrivals })
      queue.change(draft)
    } else if (record.type === 'task') this.#writeTask(draft, record)
  }

  #remember(draft: Draft, at: Buffer, record: Extract<ArchiveRecord, { type: 'sent' | 'once' }>): void {
    const { stored, hash, ...appended } = record
    const body = rememberedBody(draft.writer, { stored, hash: Buffer.from(hash, 'hex'), appended })
    draft.writes.push({ type: 'put', key: at, value: seal(at, body) })
    draft.expire({ key: at }, stored)
  }

  #writeTask(draft: Draft, { task, arrival, status }: Extract<ArchiveRecord, { type: 'task' }>): void {
    const book = this.#book
    const queue = book.queue(task.queue)
    queue.seq = Math.max(queue.seq, arrival)
    const size = Buffer.byteLength(task.payload)
    const stored = { task, seq: arrival, rank: rankOf(task.priority), size, bare: false }
    putTask(draft, stored)
    const held = { stored: slim(stored), status: undefined }
    if (status === undefined) book.putReady(draft, held)
    else if (status.state === 'dead') book.bury(draft, held, status)
    else if (status.state === 'delayed') book.putDelayed(draft, book.putStatus(draft, held, status))
    else book.putReady(draft, book.putStatus(draft, held, status))
  }
}

function sizeOf(record: RestorableRecord): number {
  if (record.type === 'entry') return record.body.length + 200
  if (record.type === 'task') return record.task.payload.length + 1_000
  return 300
}

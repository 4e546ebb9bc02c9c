// The order of the records in an export: that of a store's keys. Whatever comes twice, or is missing from a log, is out of
// order, so that checking needs no memory of what came before.

import { NitkaError } from '@nitka/protocol'
import { type ArchiveRecord, archiveOrder } from '../../engines/embedded/archive-records.ts'
import { counted, logBytes } from '../../engines/embedded/keys.ts'
import { nameBytes } from '../../engines/names.ts'
import type { LineRecord } from './lines.ts'

type LogRecord = Extract<ArchiveRecord, { readonly type: 'log' }>

export class ArchiveOrder {
  #section = -1
  #key: Buffer = Buffer.alloc(0)
  /** The log whose entries come. */
  #log: LogRecord | undefined
  /** The offset that comes next. */
  #next = 0
  #lastId = ''

  /** The record with the log that it belongs to. @throws NitkaError `invalid` */
  accept(line: LineRecord): ArchiveRecord {
    if (line.type === 'entry' || line.type === 'hole') return this.#inLog(line)
    this.end()
    const section = archiveOrder.indexOf(line.type)
    const key = keyOf(line)
    if (section < this.#section) throw wrong(`a ${line.type} comes after a ${archiveOrder[this.#section]}`)
    if (section === this.#section && key.compare(this.#key) <= 0) {
      throw wrong(`this ${line.type} is there twice, or out of order`)
    }
    this.#section = section
    this.#key = key
    if (line.type === 'log') this.#begin(line)
    return line
  }

  /** No more of the log that was begun. @throws NitkaError `invalid` it is not complete */
  end(): void {
    const log = this.#log
    if (log === undefined) return
    const name = `the log of the ${log.log.kind} ${log.log.id}`
    if (this.#next !== log.head + 1) throw wrong(`${name} ends before ${this.#next}, and its head is ${log.head}`)
    if (this.#lastId !== '' && this.#lastId !== log.headId) throw wrong(`${name} does not end with ${log.headId}`)
    this.#log = undefined
  }

  #begin(line: LogRecord): void {
    if (line.first > line.head + 1) throw wrong('first must be head + 1 at most')
    this.#log = line
    this.#next = line.first
    this.#lastId = ''
  }

  #inLog(line: Extract<LineRecord, { readonly type: 'entry' | 'hole' }>): ArchiveRecord {
    const log = this.#log
    if (log === undefined) throw wrong(`the ${line.type} belongs to no log`)
    const [field, from, to] = line.type === 'hole' ? ['from', line.from, line.to] : ['offset', line.offset, line.offset]
    if (from !== this.#next) throw wrong(`${field} must be ${this.#next}`)
    if (to < from || to > log.head)
      throw wrong(`${line.type === 'hole' ? 'to' : field} is beyond the head, ${log.head}`)
    if (line.type === 'entry' && line.counted > log.counted) throw wrong(`counted is beyond ${log.counted}`)
    this.#next = to + 1
    this.#lastId = line.type === 'entry' ? line.id : ''
    return { ...line, log: log.log }
  }
}

function wrong(message: string): NitkaError {
  return new NitkaError('invalid', message)
}

/** As it sorts in the store. @throws NitkaError `invalid` a name is none */
function keyOf(record: Exclude<ArchiveRecord, { readonly type: 'entry' | 'hole' }>): Buffer {
  const name = (text: string, field: string, max = 128): Buffer => nameBytes(text, field, max)
  if (record.type === 'room') return name(record.id, 'id')
  if (record.type === 'member') return Buffer.concat([counted(name(record.room, 'room')), name(record.user, 'user')])
  if (record.type === 'log') return logBytes(record.log)
  if (record.type === 'cursor') return Buffer.concat([logBytes(record.log), name(record.name, 'name', 200)])
  if (record.type === 'sent') {
    const sender = Buffer.from(record.sender)
    return Buffer.concat([logBytes(record.log), counted(sender), name(record.clientId, 'clientId', 64)])
  }
  if (record.type === 'queue') return name(record.queue, 'queue')
  if (record.type === 'task') return name(record.task.id, 'task.id')
  if (record.type === 'once') return Buffer.concat([counted(name(record.queue, 'queue')), name(record.key, 'key')])
  const kind = Buffer.from(record.kind === 'resource' ? 'r' : 'b')
  return Buffer.concat([kind, counted(name(record.pool, 'pool')), name(record.id, 'id')])
}

// The lines of an export: a header, a record a line, a footer. JSON, checked field by field, because whoever has a file may
// have changed it.

import { isObject, NitkaError } from '@nitka/protocol'
import { type Check, compileCheck } from '@nitka/protocol/schemas'
import Type, { type Static, type TSchema } from 'typebox'
import type { ArchiveRecord } from '../../engines/embedded/archive-records.ts'

export const formatVersion = 1

const number = Type.Integer({ minimum: 0, maximum: 2 ** 48 - 1 })
const text = Type.String()
const flag = Type.Boolean()
const log = exact({ kind: Type.Union(['room', 'user', 'hook'].map((kind) => Type.Literal(kind))), id: text })
const attempt = exact({
  number,
  worker: text,
  started: number,
  ended: Type.Optional(number),
  outcome: Type.Optional(
    Type.Union(['done', 'failed', 'expired', 'released', 'buried', 'stale'].map((outcome) => Type.Literal(outcome))),
  ),
  reason: Type.Optional(Type.String({ maxLength: 1_000 })),
})
const remembered = {
  stored: number,
  hash: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  time: number,
  id: Type.String({ minLength: 1, maxLength: 64 }),
  offsets: Type.Array(number, { maxItems: 65_535 }),
}
const task = exact({
  ...{ id: text, queue: text, payload: text, priority: Type.Integer(), time: number, delayMs: number },
  ...{ key: Type.Optional(text), group: Type.Optional(text), room: Type.Optional(text) },
  ...{ maxAttempts: number, leaseMs: number },
  backoff: exact({
    kind: Type.Union([Type.Literal('fixed'), Type.Literal('exponential')]),
    ms: number,
    maxMs: number,
  }),
})
const status = exact({
  state: Type.Union(['ready', 'delayed', 'dead'].map((state) => Type.Literal(state))),
  rank: Type.Integer({ minimum: 0, maximum: 2_001 }),
  until: Type.Optional(number),
  ...{ attempt: number, failures: number, token: Type.Optional(text) },
  history: Type.Array(attempt),
  progress: Type.Optional(text),
})

const Header = exact({
  format: Type.Literal('nitka-export'),
  version: Type.Integer(),
  /** Of the program that wrote it. */
  nitka: text,
  /** When it was written, RFC 3339. */
  time: text,
  /** Absent: everything. */
  only: Type.Optional(text),
  /** How often the store had begun anew. */
  generation: Type.Integer({ minimum: 1, maximum: 2 ** 20 }),
})

const Footer = exact({
  type: Type.Literal('end'),
  /** Of each type of record. */
  counts: Type.Record(Type.String(), number),
  /** SHA-256 of everything before this line, hexadecimal. */
  sha256: text,
})

export type ExportHeader = Static<typeof Header>
export type ExportFooter = Static<typeof Footer>

/** As it stands in a line: entries and holes belong to the log whose line came last. */
export type LineRecord = WithoutLog<ArchiveRecord>
type WithoutLog<One> = One extends LogPart ? Omit<One, 'log'> : One
type LogPart = { readonly type: 'entry' | 'hole' }

const checks: Readonly<Record<ArchiveRecord['type'], Check<TSchema>>> = {
  room: record('room', { id: text, name: text, open: flag, creator: text, time: number }),
  member: record('member', { room: text, user: text, time: number }),
  log: record('log', { log, first: Type.Integer({ minimum: 1 }), head: number, headId: text, counted: number }),
  entry: record('entry', {
    ...{ offset: number, id: text, time: number, sender: text, body: text, counted: number },
    ...{ thread: Type.Optional(text), clientId: Type.Optional(text) },
  }),
  hole: record('hole', { from: number, to: number }),
  cursor: record('cursor', { log, name: text, offset: number, time: number }),
  sent: record('sent', { log, sender: text, clientId: text, ...remembered }),
  queue: record('queue', {
    ...{ queue: text, paused: flag, ordered: flag, arrivals: number, done: number },
    groupConcurrency: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  }),
  task: record('task', { task, arrival: number, status: Type.Optional(status) }),
  once: record('once', { queue: text, key: text, ...remembered }),
  pool: record('pool', {
    kind: Type.Union([Type.Literal('resource'), Type.Literal('booking')]),
    ...{ pool: text, id: text, value: text },
  }),
}
const poolParts = {
  resource: compileCheck(exact({ data: Type.Optional(Type.Unknown()) })),
  booking: compileCheck(
    exact({ user: text, resources: Type.Array(text), from: number, to: number, note: Type.Optional(text) }),
  ),
}
const checkHeader = compileCheck(Header)
const checkFooter = compileCheck(Footer)

function exact<Properties extends Record<string, TSchema>>(properties: Properties) {
  return Type.Object(properties, { additionalProperties: false })
}

function record(type: string, properties: Record<string, TSchema>): Check<TSchema> {
  return compileCheck(exact({ type: Type.Literal(type), ...properties }))
}

/** @throws NitkaError `invalid` */
export function readHeader(line: string): ExportHeader {
  const value = json(line)
  if (!isObject(value) || value.format !== 'nitka-export') throw wrong('this is no export of nitka')
  if (value.version !== formatVersion) {
    throw wrong(`the format has version ${JSON.stringify(value.version)}, and this program reads ${formatVersion}`)
  }
  return checkHeader(value)
}

/** @throws NitkaError `invalid`, with the field */
export function readLine(line: string): LineRecord | ExportFooter {
  const value = json(line)
  if (!isObject(value) || typeof value.type !== 'string') throw wrong('type is missing')
  if (value.type === 'end') return checkFooter(value)
  const check = Object.hasOwn(checks, value.type) ? checks[value.type as ArchiveRecord['type']] : undefined
  if (check === undefined) throw wrong(`type must be one of ${Object.keys(checks).join(', ')}`)
  const found = check(value) as LineRecord
  // What is served as JSON must be JSON.
  if (found.type === 'entry') demandJson(found.body, 'body')
  else if (found.type === 'pool') checkPart(found)
  else if (found.type === 'task') {
    demandJson(found.task.payload, 'task.payload')
    if (found.status?.progress !== undefined) demandJson(found.status.progress, 'status.progress')
  }
  return found
}

export function writeLine(record: ArchiveRecord): string {
  if (record.type !== 'entry' && record.type !== 'hole') return JSON.stringify(record)
  const { log: _log, ...line } = record
  return JSON.stringify(line)
}

function json(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw wrong('not JSON')
  }
}

/** A server reads them all when it starts, and trusts them. */
function checkPart({ kind, value }: Extract<LineRecord, { readonly type: 'pool' }>): void {
  const part = demandJson(value, 'value')
  try {
    poolParts[kind](part)
  } catch (error) {
    throw error instanceof NitkaError ? new NitkaError('invalid', `value: ${error.message}`, { field: 'value' }) : error
  }
}

function demandJson(value: string, field: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    throw new NitkaError('invalid', `${field} must be JSON as text`, { field })
  }
}

function wrong(message: string): NitkaError {
  return new NitkaError('invalid', message)
}

// The bytes of tasks and of where they stand. Binary, because they are written and read once per task and step.

import type { Attempt, AttemptOutcome, Backoff, NewTask } from '../../tasks/task-store.ts'
import { payloadKept, priorityOf, type Status, type StoredTask } from './task-records.ts'
import { Parts } from './values.ts'
import type { Writer } from './writer.ts'

const has = { key: 1, group: 2, room: 4 } as const
const kinds = ['fixed', 'exponential'] as const satisfies readonly Backoff['kind'][]
const states = ['ready', 'delayed', 'done', 'dead'] as const satisfies readonly Status['state'][]
const hasStatus = { until: 1, token: 2, progress: 4 } as const
const hasAttempt = { ended: 1, outcome: 2, reason: 4 } as const
const outcomes = [
  'done',
  'failed',
  'expired',
  'released',
  'buried',
  'stale',
] as const satisfies readonly AttemptOutcome[]

/** Writes the value of a task. Runs once per task added. */
export function writeTask(writer: Writer, { task, seq, rank }: StoredTask): void {
  const { key, group, room, backoff } = task
  writer.byte((key ? has.key : 0) | (group ? has.group : 0) | (room ? has.room : 0))
  writer.number(task.time)
  writer.number(seq)
  writer.short(rank)
  writer.number(task.delayMs)
  writer.number(task.maxAttempts)
  writer.number(task.leaseMs)
  writer.byte(kinds.indexOf(backoff.kind))
  writer.number(backoff.ms)
  writer.number(backoff.maxMs)
  writer.name(task.queue)
  if (key) writer.name(key)
  if (group) writer.name(group)
  if (room) writer.name(room)
  writer.text(task.payload)
}

/** The most bytes that `writeTask` can write, with the key. */
export function taskBytesMax({ payload }: NewTask): number {
  return 1_200 + payload.length * 3
}

/** @param whole the payload too, however large */
export function readTask(id: string, body: Buffer, whole = false): StoredTask {
  const parts = new Parts(body)
  const flags = parts.byte()
  const time = parts.number()
  const seq = parts.number()
  const rank = parts.short()
  const delayMs = parts.number()
  const maxAttempts = parts.number()
  const leaseMs = parts.number()
  const kind = kinds[parts.byte()] ?? 'fixed'
  const backoff = { kind, ms: parts.number(), maxMs: parts.number() }
  const queue = parts.name()
  const key = (flags & has.key) === 0 ? undefined : parts.name()
  const group = (flags & has.group) === 0 ? undefined : parts.name()
  const room = (flags & has.room) === 0 ? undefined : parts.name()
  const size = parts.left
  const bare = !whole && size > payloadKept
  const task: NewTask = {
    ...{ id, queue, payload: bare ? '' : parts.rest(), priority: priorityOf(rank), time, delayMs },
    ...{ maxAttempts, leaseMs, backoff },
    ...(key === undefined ? undefined : { key }),
    ...(group === undefined ? undefined : { group }),
    ...(room === undefined ? undefined : { room }),
  }
  return { task, seq, rank, size, bare }
}

/** The most bytes that `writeStatus` can write, with the key. */
export function statusBytesMax({ history, progress = '' }: Status): number {
  let bytes = 400 + progress.length * 3
  for (const { reason = '' } of history) bytes += 300 + reason.length * 3
  return bytes
}

/** Writes the value of a status. Runs once per task settled or failed. */
export function writeStatus(writer: Writer, status: Status): void {
  const { history, until, token, progress } = status
  writer.byte(states.indexOf(status.state))
  writer.byte(
    (until === undefined ? 0 : hasStatus.until) |
      (token === undefined ? 0 : hasStatus.token) |
      (progress === undefined ? 0 : hasStatus.progress),
  )
  writer.short(status.rank)
  writer.number(status.attempt)
  writer.number(status.failures)
  if (until !== undefined) writer.number(until)
  if (token !== undefined) writer.name(token)
  writer.byte(history.length)
  for (const attempt of history) writeAttempt(writer, attempt)
  if (progress !== undefined) writer.text(progress)
}

function writeAttempt(writer: Writer, { number, worker, started, ended, outcome, reason }: Attempt): void {
  writer.byte(
    (ended === undefined ? 0 : hasAttempt.ended) |
      (outcome === undefined ? 0 : hasAttempt.outcome) |
      (reason === undefined ? 0 : hasAttempt.reason),
  )
  writer.number(number)
  writer.number(started)
  if (ended !== undefined) writer.number(ended)
  if (outcome !== undefined) writer.byte(outcomes.indexOf(outcome))
  writer.name(worker)
  if (reason === undefined) return
  writer.short(Buffer.byteLength(reason))
  writer.text(reason)
}

export function readStatus(body: Buffer): Status {
  const parts = new Parts(body)
  const state = states[parts.byte()] ?? 'ready'
  const flags = parts.byte()
  const rank = parts.short()
  const attempt = parts.number()
  const failures = parts.number()
  const until = (flags & hasStatus.until) === 0 ? undefined : parts.number()
  const token = (flags & hasStatus.token) === 0 ? undefined : parts.name()
  const history = Array.from({ length: parts.byte() }, () => readAttempt(parts))
  return {
    ...{ state, rank, attempt, failures, history },
    ...(until === undefined ? undefined : { until }),
    ...(token === undefined ? undefined : { token }),
    ...((flags & hasStatus.progress) === 0 ? undefined : { progress: parts.rest() }),
  }
}

function readAttempt(parts: Parts): Attempt {
  const flags = parts.byte()
  const number = parts.number()
  const started = parts.number()
  const ended = (flags & hasAttempt.ended) === 0 ? undefined : parts.number()
  const outcome = (flags & hasAttempt.outcome) === 0 ? undefined : outcomes[parts.byte()]
  const worker = parts.name()
  const reason = (flags & hasAttempt.reason) === 0 ? undefined : parts.raw(parts.short()).toString()
  return {
    ...{ number, worker, started },
    ...(ended === undefined ? undefined : { ended }),
    ...(outcome === undefined ? undefined : { outcome }),
    ...(reason === undefined ? undefined : { reason }),
  }
}

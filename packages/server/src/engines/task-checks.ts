// What every engine asks of tasks and queues, and what makes two tasks of one key the same.

import { hash } from 'node:crypto'
import { isId, NitkaError } from '@nitka/protocol'
import { claimBytesMax, type NewTask } from '../tasks/task-store.ts'
import { checkName, nameBytes } from './names.ts'

/** Queues that there may be. */
export const queuesMax = 1_000

const hashBytes = 16
const attemptsMax = 1_000_000
const durationMax = 366 * 24 * 60 * 60 * 1_000

/** Tells payloads of one key apart. */
export function payloadHash(payload: string): Buffer {
  return hash('sha256', payload, 'buffer').subarray(0, hashBytes)
}

export function otherPayload({ key }: NewTask): NitkaError {
  return new NitkaError('conflict', `the key ${key} was used before for another payload`, { field: 'key' })
}

/** The shape that the store relies on. What is sensible beyond it, the service decides. @throws NitkaError `invalid` */
export function checkTask(task: NewTask): void {
  const { id, payload, priority, delayMs, maxAttempts, leaseMs, backoff } = task
  if (!isId(id)) throw new NitkaError('invalid', 'id must be an id of 20 characters', { field: 'id' })
  queueName(task.queue)
  if (task.key !== undefined) nameBytes(task.key, 'key', 128)
  if (task.group !== undefined) checkName(task.group, 'group', 128)
  if (task.room !== undefined) checkName(task.room, 'room', 128)
  if (!payload.startsWith('{') || !payload.isWellFormed() || payload.length > claimBytesMax) {
    throw new NitkaError('invalid', 'payload must be a JSON object of at most 4 MiB', { field: 'payload' })
  }
  whole(priority, 'priority', -1_000, 1_000)
  whole(delayMs, 'delayMs', 0, durationMax)
  whole(maxAttempts, 'maxAttempts', 1, attemptsMax)
  whole(leaseMs, 'leaseMs', 1, durationMax)
  whole(backoff.ms, 'backoff.ms', 0, durationMax)
  whole(backoff.maxMs, 'backoff.maxMs', 0, durationMax)
}

/** @throws NitkaError `invalid` */
export function queueName(queue: string): string {
  if (/^[A-Za-z0-9_-]{1,128}$/.test(queue)) return queue
  throw new NitkaError('invalid', 'queue must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -', { field: 'queue' })
}

/** @throws NitkaError `invalid` */
export function whole(value: number, field: string, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new NitkaError('invalid', `${field} must be an integer from ${min} to ${max}`, { field })
}

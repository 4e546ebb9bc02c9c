// What somebody wants to have done, as it comes from outside, made into a task: checked, with its defaults.

import { byteLength, isObject, limits, NitkaError } from '@nitka/protocol'
import { compileCheck, tasks } from '@nitka/protocol/schemas'
import type { Static } from 'typebox'
import type { Backoff, NewTask } from './task-store.ts'

/** A task as somebody wishes it. */
export type TaskInput = Static<typeof tasks.TaskInput>

export interface TaskDefaults {
  readonly leaseMs: number
  readonly maxAttempts: number
  /** Exponential. */
  readonly backoffMs: number
  readonly backoffMaxMs: number
  /** Bytes of a payload, 0: no limit. */
  readonly payloadBytesMax: number
}

/** They stand beside the payload's fields in what a plain worker is sent. */
const reserved = ['Id', 'Attempt', 'Token', 'Deadline'] as const

const check = compileCheck(tasks.TaskInput)

/**
 * One task, or several.
 * @throws NitkaError `invalid`, `too-large`; `field` begins with the number of the task when there are several
 */
export function readTasks(
  value: unknown,
  defaults: TaskDefaults,
  birth: () => { id: string; time: number },
): NewTask[] {
  if (!Array.isArray(value)) return [readTask(value, defaults, birth())]
  if (value.length === 0 || value.length > limits.tasksMax) {
    throw new NitkaError('invalid', `1 to ${limits.tasksMax} tasks can be added at once, not ${value.length}`, {
      field: 'tasks',
    })
  }
  return value.map((item, index) => {
    try {
      return readTask(item, defaults, birth())
    } catch (error) {
      if (!(error instanceof NitkaError)) throw error
      const field = error.field === undefined ? String(index) : `${index}.${error.field}`
      throw new NitkaError(error.code, `task ${index}: ${error.message}`, { field })
    }
  })
}

function readTask(value: unknown, defaults: TaskDefaults, birth: { id: string; time: number }): NewTask {
  if (!isObject(value)) throw new NitkaError('invalid', 'a task must be an object such as {"payload":{}}')
  const {
    payload = {},
    queue = 'default',
    priority = 0,
    delay = 0,
    maxAttempts,
    lease,
    backoff,
    ...rest
  } = check(value)
  for (const [field, text] of Object.entries({ key: rest.key, group: rest.group })) {
    if (text !== undefined) checkName(text, field)
  }
  return {
    ...birth,
    ...rest,
    ...{ queue, priority, delayMs: delay },
    payload: payloadText(payload, defaults.payloadBytesMax),
    maxAttempts: maxAttempts ?? defaults.maxAttempts,
    leaseMs: lease ?? defaults.leaseMs,
    backoff: readBackoff(backoff, defaults),
  }
}

function readBackoff(wish: TaskInput['backoff'], { backoffMs, backoffMaxMs }: TaskDefaults): Backoff {
  if (wish === undefined) return { kind: 'exponential', ms: backoffMs, maxMs: Math.max(backoffMs, backoffMaxMs) }
  if (typeof wish === 'number') return { kind: 'fixed', ms: wish, maxMs: wish }
  return { kind: wish.kind, ms: wish.ms, maxMs: wish.maxMs ?? Math.max(wish.ms, backoffMaxMs) }
}

function payloadText(payload: object, bytesMax: number): string {
  const clash = reserved.find((name) => Object.hasOwn(payload, name))
  if (clash !== undefined) {
    const field = `payload.${clash}`
    throw new NitkaError('invalid', `${field} is reserved; so are ${reserved.join(', ')}`, { field })
  }
  const text = JSON.stringify(payload)
  if (bytesMax === 0 || text.length * 3 <= bytesMax) return text
  const bytes = byteLength(text)
  if (bytes <= bytesMax) return text
  throw new NitkaError('too-large', `payload is ${bytes} bytes, at most ${bytesMax} are allowed`, { field: 'payload' })
}

/** @throws NitkaError `invalid` */
function checkName(text: string, field: string): void {
  if (byteLength(text) <= limits.nameBytes && text.isWellFormed() && !/\p{Cc}/u.test(text)) return
  const allowed = `1 to ${limits.nameBytes} bytes of UTF-8 without control characters`
  throw new NitkaError('invalid', `${field} must be ${allowed}`, { field })
}

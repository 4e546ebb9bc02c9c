// The body of a report: ids, ids with tokens, or tasks as they came in the event, whose fields are written large.

import { limits, NitkaError } from '@nitka/protocol'
import { compileCheck, tasks as schemas } from '@nitka/protocol/schemas'
import type { ReportWish } from '../../tasks/answers.ts'

const checkPlain = compileCheck(schemas.PlainReport)
const checkReport = compileCheck(schemas.Report)

/** @throws NitkaError `invalid` */
export function readReport(body: unknown): ReportWish {
  if (typeof body !== 'object' || body === null) {
    throw new NitkaError('invalid', 'a report must be an array of task ids, or {"done":[…],"failed":[…]}')
  }
  if (Array.isArray(body)) return { done: checkPlain(body.map(attemptOf)) }
  const lists = Object.entries(body).map(([name, list]: [string, unknown]) => [
    name,
    Array.isArray(list) ? list.map(name === 'failed' ? failureOf : attemptOf) : list,
  ])
  return checkReport(Object.fromEntries(lists))
}

/** Whether a report names attempts by nothing but the ids of their tasks. */
export function idsAlone(body: unknown): boolean {
  return Array.isArray(body) && body.every((item) => typeof item === 'string')
}

/** Of a task as it came in the event, what names the attempt; everything else as it is. */
function attemptOf(item: unknown): unknown {
  if (!isEvent(item)) return item
  const { Id: id, Token: token } = item
  return token === undefined ? id : { id, token }
}

/** As `attemptOf`, with why it failed. The fields of the payload stand there too: a `reason` that can be none is one of those. */
function failureOf(item: unknown): unknown {
  if (!isEvent(item)) return item
  const { Id: id, Token: token, reason } = item
  const isReason = typeof reason === 'string' && reason.length <= limits.reasonMax
  return { id, ...(token === undefined ? {} : { token }), ...(isReason ? { reason } : {}) }
}

function isEvent(item: unknown): item is Readonly<Record<string, unknown>> {
  return typeof item === 'object' && item !== null && 'Id' in item
}

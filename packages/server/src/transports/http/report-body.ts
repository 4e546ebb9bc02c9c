// The body of a report: ids, ids with tokens, or tasks as they came in the event, whose fields are written large.

import { NitkaError } from '@nitka/protocol'
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
    Array.isArray(list) ? list.map(attemptOf) : list,
  ])
  return checkReport(Object.fromEntries(lists))
}

/** Whether a report names attempts by nothing but the ids of their tasks. */
export function idsAlone(body: unknown): boolean {
  return Array.isArray(body) && body.every((item) => typeof item === 'string')
}

/** Of a task as it came in the event, what names the attempt, and why it failed; everything else as it is. */
function attemptOf(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || !('Id' in item)) return item
  const { Id: id, Token: token, reason } = item as Partial<Record<string, unknown>>
  if (token === undefined && reason === undefined) return id
  return { id, ...(token === undefined ? {} : { token }), ...(reason === undefined ? {} : { reason }) }
}

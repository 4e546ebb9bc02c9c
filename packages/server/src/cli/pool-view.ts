// How pools and holds look in a terminal. Fields come from a server and may be anything, so every one is read as text.

import { isObject } from '@nitka/protocol'
import { printable } from './server-call.ts'
import { jsonLine, Table, text, time } from './table.ts'

type Fields = Readonly<Record<string, unknown>>

const poolTitles = ['POOL', 'TOTAL', 'FREE', 'HOLDS', 'WAITING']
const holdTitles = ['HOLD', 'USER', 'TOKEN', 'SINCE', 'UNTIL', 'RESOURCES']

/** All pools, a line each. */
export function poolLines(pools: readonly unknown[], columns: number): string[] {
  const rows = pools.filter(isObject).map(({ pool, total, free, holding, waiters }) => {
    return [pool, total, free, holding, waiters].map(text)
  })
  return rows.length === 0 ? [] : new Table(poolTitles, columns).lines(rows)
}

/** A pool, and who holds what of it. */
export function statusLines(pool: Fields, columns: number): string[] {
  const { holds, total, free, waiters } = pool
  const head = `${text(pool.pool)}: ${text(free)} of ${text(total)} free, ${text(waiters)} waiting`
  const rows = (Array.isArray(holds) ? holds : []).filter(isObject).map((hold) => {
    const resources = Array.isArray(hold.resources) ? hold.resources.map(text).join(', ') : ''
    return [text(hold.hold), text(hold.user), text(hold.token), time(hold.since), time(hold.until), resources]
  })
  return rows.length === 0 ? [printable(head)] : [printable(head), '', ...new Table(holdTitles, columns).lines(rows)]
}

/** What was acquired. */
export function holdLines({ hold, token, until, resources }: Fields): string[] {
  const held = (Array.isArray(resources) ? resources : []).filter(isObject)
  const names = held.map(({ id, data }) => (data === undefined ? text(id) : `${text(id)} ${jsonLine(data)}`))
  return [
    `hold       ${text(hold)}`,
    `token      ${text(token)}`,
    `until      ${time(until)}`,
    `resources  ${names.join(', ')}`,
  ].map(printable)
}

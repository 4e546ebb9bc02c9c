// What the suites of logs share: names, entries with ids that grow, expectations.

import { NitkaError } from '@nitka/protocol'
import type { Append, LogName, LogStore, NewEntry } from '../../log/log-store.ts'

export interface OpenLogs {
  readonly logs: LogStore
  /** Closes the store and opens it again: what was confirmed is there. */
  readonly reopen?: () => Promise<LogStore>
}

/** Adds a test to the suite: its name is a sentence about users of the port. */
export type Check = (name: string, body: (store: OpenLogs) => Promise<void>) => void

export const room = (id: string): LogName => ({ kind: 'room', id })
export const user = (id: string): LogName => ({ kind: 'user', id })

let ids = 0

/** An entry with the next id. */
export function entry(log: LogName, body: string, more: Partial<NewEntry> = {}): NewEntry {
  ids += 1
  return { log, id: String(ids).padStart(20, '0'), time: 1_000 + ids, sender: 'anna', body, counts: true, ...more }
}

export function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof NitkaError && error.code === expected
}

export const single = (log: LogName, body: string, clientId?: string): Append =>
  clientId === undefined ? { entries: [entry(log, body)] } : { entries: [entry(log, body)], clientId }

export async function bodies(logs: LogStore, log: LogName): Promise<string[]> {
  const page = await logs.read(log, { after: 0, limit: 500 })
  return page.entries.map((each) => each.body)
}

// A verdict for every message: stored when, written and confirmed by which devices, read by whom. Derived from the logs
// and their cursors when asked; it costs nothing per message.

import { NitkaError } from '@nitka/protocol'
import type { Cursor, Entry, LogName, LogStore } from '../log/log-store.ts'

export interface Trace {
  readonly id: string
  /** Null: no log that the caller may read holds it. */
  readonly stored: {
    readonly log: string
    readonly offset: number
    readonly time: number
    readonly from: string
  } | null
  readonly written: readonly { readonly device: string; readonly time: number }[]
  readonly confirmed: readonly { readonly device: string; readonly time: number }[]
  readonly read: readonly { readonly user: string; readonly time: number }[]
}

/** What became of the message with this id in a log. For a message between users, ask the log of the receiver. */
export async function trace(store: LogStore, log: LogName, id: string): Promise<Trace> {
  const offset = await store.find(log, id)
  if (offset === undefined) return { id, stored: null, written: [], confirmed: [], read: [] }
  const { entries } = await store.read(log, { after: offset - 1, limit: 1 })
  const entry = entries.find((one) => one.offset === offset)
  if (entry === undefined) throw new NitkaError('damaged', `the store holds ${id} but cannot read it`)
  const cursors = (await store.cursors(log, '')).filter((cursor) => cursor.offset >= offset)
  return {
    id,
    stored: { log: `${log.kind}:${log.id}`, offset, time: entry.time, from: entry.sender },
    written: named(cursors, 'written:').map(({ name, time }) => ({ device: name, time })),
    confirmed: named(cursors, 'confirmed:').map(({ name, time }) => ({ device: name, time })),
    read: readers(cursors, log),
  }
}

/** The log in which a user's message arrived: the partner's, when the entry is the user's own copy. */
function receiverOf(entry: Entry, log: LogName): LogName {
  const partner = entry.thread?.startsWith('u:') ? entry.thread.slice(2) : undefined
  if (log.kind !== 'user' || entry.sender !== log.id || partner === undefined) return log
  return { kind: 'user', id: partner }
}

function named(cursors: readonly Cursor[], prefix: string): Cursor[] {
  return cursors
    .filter(({ name }) => name.startsWith(prefix))
    .map((cursor) => ({ ...cursor, name: cursor.name.slice(prefix.length) }))
}

function readers(cursors: readonly Cursor[], log: LogName): { user: string; time: number }[] {
  const mine = cursors.filter(({ name }) => name === 'read').map(({ time }) => ({ user: log.id, time }))
  return [...mine, ...named(cursors, 'read:').map(({ name, time }) => ({ user: name, time }))]
}

/** A page of the rooms that a user is a member of, after a room. */
export type RoomsOf = (user: string, after: string | undefined) => Promise<readonly { readonly id: string }[]>

/** Looks in the user's own log, where it follows a copy of something sent to where it arrived, and then in the user's rooms. */
export async function traceForUser(store: LogStore, user: string, id: string, roomsOf: RoomsOf): Promise<Trace> {
  const mine: LogName = { kind: 'user', id: user }
  const offset = await store.find(mine, id)
  if (offset === undefined) return trace(store, (await roomWith(store, user, id, roomsOf)) ?? mine, id)
  const { entries } = await store.read(mine, { after: offset - 1, limit: 1 })
  const entry = entries.find((one) => one.offset === offset)
  return trace(store, entry === undefined ? mine : receiverOf(entry, mine), id)
}

async function roomWith(store: LogStore, user: string, id: string, roomsOf: RoomsOf): Promise<LogName | undefined> {
  let rooms = await roomsOf(user, undefined)
  while (rooms.length > 0) {
    for (const room of rooms) {
      const log: LogName = { kind: 'room', id: room.id }
      if ((await store.find(log, id)) !== undefined) return log
    }
    rooms = await roomsOf(user, rooms.at(-1)?.id)
  }
  return undefined
}

/** A trace with its times as RFC 3339. */
export function traceAnswer(found: Trace): unknown {
  const rfc = <T extends { readonly time: number }>(one: T) => ({ ...one, time: new Date(one.time).toISOString() })
  return {
    id: found.id,
    stored: found.stored && rfc(found.stored),
    written: found.written.map(rfc),
    confirmed: found.confirmed.map(rfc),
    read: found.read.map(rfc),
  }
}

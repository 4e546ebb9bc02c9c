// Room messages as they lie in the logs: the body is the message as JSON text.

import type { LiveEntry } from '../log/feed.ts'
import type { LogName } from '../log/log-store.ts'
import type { Room } from './room-directory.ts'

export function logOf(room: string): LogName {
  return { kind: 'room', id: room }
}

/** The entry as JSON text, as every dialect shows it. Names and ids need no escaping; the sender's name may. */
export function entryText(room: string, entry: LiveEntry): string {
  const { offset, id, sender, body, time, clientId } = entry
  const client = clientId === undefined ? '' : `,"clientId":${JSON.stringify(clientId)}`
  return `{"offset":${offset},"id":"${id}","room":"${room}","from":${JSON.stringify(sender)},"message":${body},"time":"${new Date(time).toISOString()}"${client}}`
}

/** A room as every dialect shows it: its time as RFC 3339. */
export function roomAnswer(room: Room): unknown {
  return { ...room, time: new Date(room.time).toISOString() }
}

// What the services tell, made into events.

import { isSentCopy, systemThread } from './direct/messages.ts'
import type { Events, StoredMessage } from './events.ts'
import type { LiveEntry } from './log/feed.ts'
import type { LogName } from './log/log-store.ts'
import type { SessionsListener } from './sessions/registry.ts'
import type { Session } from './sessions/session.ts'
import type { DeadLetter } from './tasks/views.ts'

/** Tells of every message, once, whichever logs it lies in. */
export function tellStored(events: Events): (log: LogName, entry: LiveEntry) => void {
  return (log, entry) => {
    if (log.kind === 'hook' || (log.kind === 'user' && isSentCopy({ log, entry }))) return
    events.tell('message', () => messageOf(log, entry))
  }
}

export function tellSessions(events: Events): SessionsListener {
  const about = ({ id, user, device, wire }: Session) => ({ session: id, user, device, transport: wire.transport })
  return {
    known: (session) => events.tell('connected', () => about(session)),
    ended: (session) =>
      events.tell('disconnected', () => {
        return { ...about(session), reason: session.ended ?? 'gone', clean: session.endedClean }
      }),
  }
}

export function tellDead(events: Events): (letter: DeadLetter) => void {
  return (letter) => events.tell('dead-letter', () => letter)
}

function messageOf({ kind, id: to }: LogName, entry: LiveEntry): StoredMessage {
  const { id, offset, time, sender: from, body, clientId } = entry
  const stored = { id, offset, time, ...(clientId === undefined ? {} : { clientId }) }
  const parsed = (): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>
  if (kind === 'room')
    return {
      kind,
      ...stored,
      from,
      room: to,
      get message() {
        return JSON.parse(body) as unknown
      },
    }
  if (entry.thread !== systemThread)
    return {
      kind: 'direct',
      ...stored,
      from,
      to,
      get message() {
        return parsed().message
      },
    }
  return {
    kind: 'system',
    ...stored,
    to,
    get message() {
      return parsed().message
    },
    get data() {
      return parsed().data
    },
  }
}

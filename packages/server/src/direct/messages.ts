// Direct messages as they lie in the logs. The body is the plain message itself, so that delivering adds a few fields
// to text that is there already and parses nothing. A message between two users lies in both their logs under one id:
// in the receiver's as what came, in the sender's as what was sent.

import { type UserId, userName } from '@nitka/protocol'
import type { LiveEntry, LogMessage } from '../log/feed.ts'
import type { Draft } from '../log/log.ts'
import type { LogName } from '../log/log-store.ts'
import { payloadText } from '../log/payload.ts'

/** A message from a user to a user. */
export interface UserSend {
  readonly fromUser: UserId
  readonly toUser: UserId
  /** Any JSON value but null and ''. */
  readonly message: unknown
}

/** A message of the application. */
export interface SystemSend {
  /** 7 and '7' are one user; the form is kept. */
  readonly toUser: UserId
  /** Any JSON value but null and ''. */
  readonly message: unknown
  /** As `message`: for programs, beside what people read. Null is none. */
  readonly data?: unknown
}

export const systemThread = 's'

export function userThread(user: string): string {
  return `u:${user}`
}

export function logOf(user: string): LogName {
  return { kind: 'user', id: user }
}

/** @throws NitkaError `invalid`, `too-large` */
export function userDrafts(send: UserSend, payloadBytesMax: number): Draft[] {
  const from = userName(send.fromUser, 'fromUser')
  const to = userName(send.toUser, 'toUser')
  const message = payloadText(send.message, 'message', payloadBytesMax)
  const body = `{"fromUser":${JSON.stringify(send.fromUser)},"toUser":${JSON.stringify(send.toUser)},"message":${message}}`
  const came: Draft = { log: logOf(to), sender: from, body, thread: userThread(from), counts: true }
  if (from === to) return [came]
  return [came, { log: logOf(from), sender: from, body, thread: userThread(to), counts: false }]
}

/** @throws NitkaError `invalid`, `too-large` */
export function systemDraft(send: SystemSend, payloadBytesMax: number): Draft {
  const to = userName(send.toUser, 'toUser')
  const message = payloadText(send.message, 'message', payloadBytesMax)
  const { data: given = null } = send
  const data = given === null ? '' : `,"data":${payloadText(given, 'data', payloadBytesMax)}`
  const body = `{"system":true,"toUser":${JSON.stringify(send.toUser)},"message":${message}${data}}`
  return { log: logOf(to), sender: '', body, thread: systemThread, counts: true }
}

/** Whether the entry is the sender's own copy of what went to somebody else. */
export function isSentCopy({ log, entry }: LogMessage): boolean {
  return entry.sender === log.id && entry.thread !== userThread(log.id)
}

/** The message as JSON text, as every dialect shows it: the body with id, time and offset. */
export function messageText(entry: LiveEntry): string {
  const { body, id, time, offset } = entry
  return `${body.slice(0, -1)},"id":"${id}","time":"${new Date(time).toISOString()}","offset":${offset}}`
}

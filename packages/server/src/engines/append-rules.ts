// What every engine asks of an append, and what makes two of them the same.

import { hash } from 'node:crypto'
import { NitkaError } from '@nitka/protocol'
import type { Append } from '../log/log-store.ts'
import { checkName } from './names.ts'

/** Bytes of a payload's hash. */
export const hashBytes = 16

/** Of what makes two payloads the same: logs, threads, bodies. Ids and times are made anew for each attempt. */
export function payloadHash(append: Append): Buffer {
  let text = ''
  for (const { log, thread, body } of append.entries) {
    // Whether a webhook is told is no part of the message: a repeat may come after that was changed.
    if (log.kind === 'hook') continue
    text += `${log.kind}\0${log.id}\0${thread ?? '\u0001'}\0${body.length}\0${body}`
  }
  return hash('sha256', text, 'buffer').subarray(0, hashBytes)
}

export function otherPayload(append: Append): NitkaError {
  return new NitkaError('conflict', `the id ${append.clientId} was used before for another payload`, { field: 'id' })
}

/** @throws NitkaError `invalid` */
export function checkAppend(append: Append): void {
  const { entries, clientId } = append
  if (entries.length === 0 || entries.length > 65_535) {
    throw new NitkaError('invalid', 'an append has 1 to 65,535 entries', { field: 'entries' })
  }
  if (clientId !== undefined) checkName(clientId, 'clientId', 64)
  for (const { id, sender, thread, body } of entries) {
    checkName(id, 'id', 64)
    if (sender !== '') checkName(sender, 'sender', 255)
    if (thread !== undefined) checkName(thread, 'thread', 255)
    if (!body.isWellFormed()) throw new NitkaError('invalid', 'body is not Unicode', { field: 'body' })
  }
}

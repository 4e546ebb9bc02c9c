// Tells the application of messages that stay undelivered, so that it can push to a phone. Every message leaves a note
// in a log of its own, in the same commit; a single reader walks that log, looks after the delay whether the message was
// delivered meanwhile, and posts what was not. At least once: the notes' cursor moves after the application answered.

import { createHmac } from 'node:crypto'
import type { Draft, Log } from '../log/log.ts'
import type { Entry, LogName } from '../log/log-store.ts'
import { type Clock, sleep, type Timer } from '../world.ts'
import { logOf, messageText } from './messages.ts'

const notes: LogName = { kind: 'hook', id: 'undelivered' }
const told = 'told'
const idleMs = 1_000
const backoffMaxMs = 5 * 60_000
const pageNotes = 200

/** The entries of a message with a note for its receiver. */
export function noteUndelivered(entries: readonly Draft[]): readonly Draft[] {
  const [came] = entries
  if (came === undefined) return entries
  return [...entries, { log: notes, sender: '', body: JSON.stringify(came.log.id), counts: false }]
}

export interface UndeliveredOptions {
  readonly url: string
  /** How long a message may stay undelivered before it is told, milliseconds. */
  readonly afterMs: number
  /** Signs each body (HMAC-SHA256, hex, header `Nitka-Signature`); undefined: unsigned. */
  readonly secret: string | undefined
  /** Posts a body. `later`, or a rejection: to be repeated. `refused`: never wanted, so nobody else waits for it. */
  readonly post: (
    url: string,
    body: string,
    headers: Record<string, string>,
  ) => Promise<'accepted' | 'refused' | 'later'>
}

export class Undelivered {
  /** Messages told, and posts that failed. */
  told = 0
  failures = 0
  readonly #log: Log
  readonly #clock: Clock
  readonly #options: UndeliveredOptions
  #timer: Timer | undefined
  #closed = false
  #stopWaiting: (() => void) | undefined
  #walking: Promise<void> = Promise.resolve()

  constructor(log: Log, clock: Clock, options: UndeliveredOptions) {
    this.#log = log
    this.#clock = clock
    this.#options = options
    this.#rest()
  }

  /** Waits for no application: what was not accepted is told after the next start. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stopWaiting?.()
    this.#timer?.cancel()
    await this.#walking
  }

  #rest(): void {
    if (this.#closed) return
    this.#timer = this.#clock.after(idleMs, () => {
      // A store that fails is asked again after the next rest.
      this.#walking = this.#walk().catch(() => undefined)
      void this.#walking.then(() => this.#rest())
    })
  }

  /** Works through the notes that are due, a page at a time. */
  async #walk(): Promise<void> {
    const { store } = this.#log
    const [cursor] = await store.cursors(notes, told)
    let after = cursor?.offset ?? 0
    while (!this.#closed) {
      const page = await store.read(notes, { after, limit: pageNotes })
      // Up to the first that is not due: the clock may have been set back, and none is passed over.
      const notDue = page.entries.findIndex(({ time }) => time > this.#clock.now() - this.#options.afterMs)
      const due = notDue < 0 ? page.entries : page.entries.slice(0, notDue)
      const last = due.at(-1)
      if (last === undefined) return
      for (const [user, ids] of byUser(due)) await this.#tell(user, ids)
      if (this.#closed) return
      after = last.offset
      await store.move([{ log: notes, name: told, offset: after, time: this.#clock.now() }])
      await store.trim(notes, after + 1)
    }
  }

  async #tell(user: string, ids: readonly string[]): Promise<void> {
    const { store } = this.#log
    const delivered = await this.#deliveredTo(user)
    const messages: string[] = []
    for (const id of ids) {
      const offset = await store.find(logOf(user), id)
      if (offset === undefined || offset <= delivered) continue
      const { entries } = await store.read(logOf(user), { after: offset - 1, limit: 1 })
      for (const entry of entries) messages.push(messageText(entry))
    }
    if (messages.length === 0) return
    const body = `{"type":"undelivered","user":${JSON.stringify(user)},"messages":[${messages.join(',')}]}`
    if (await this.#post(body)) this.told += messages.length
  }

  /** The newest offset that any device of the user has: confirmed where it confirms, else written. */
  async #deliveredTo(user: string): Promise<number> {
    const cursors = await this.#log.store.cursors(logOf(user), '')
    const confirmed = cursors.filter(({ name }) => name.startsWith('confirmed:'))
    const confirming = new Set(confirmed.map(({ name }) => name.slice('confirmed:'.length)))
    const written = cursors.filter(
      ({ name }) => name.startsWith('written:') && !confirming.has(name.slice('written:'.length)),
    )
    return Math.max(0, ...confirmed.map(({ offset }) => offset), ...written.map(({ offset }) => offset))
  }

  /** Repeats until there is an answer. False: refused, or this server ends. */
  async #post(body: string): Promise<boolean> {
    const { url, secret, post } = this.#options
    const signature =
      secret === undefined ? {} : { 'nitka-signature': createHmac('sha256', secret).update(body).digest('hex') }
    for (let waitMs = 1_000; !this.#closed; waitMs = Math.min(backoffMaxMs, waitMs * 2)) {
      const headers = { 'content-type': 'application/json', ...signature }
      const posted = post(url, body, headers).catch(() => 'later')
      const answer = await this.#unlessClosed(posted)
      if (answer === 'accepted') return true
      if (answer === 'ended') return false
      this.failures++
      if (answer === 'refused') return false
      await this.#unlessClosed(sleep(this.#clock, waitMs))
    }
    return false
  }

  /** What `waited` resolves to, or `ended` as soon as this server ends. One at a time. */
  #unlessClosed<Value>(waited: Promise<Value>): Promise<Value | 'ended'> {
    return new Promise((resolve) => {
      this.#stopWaiting = () => resolve('ended')
      void waited.then(resolve)
    })
  }
}

function byUser(due: readonly Entry[]): Map<string, string[]> {
  const users = new Map<string, string[]>()
  for (const { id, body } of due) {
    const user = String(JSON.parse(body))
    const ids = users.get(user)
    if (ids === undefined) users.set(user, [id])
    else ids.push(id)
  }
  return users
}

// Direct chat in its plain dialect: heartbeat, messages as JSON, `ok` or `error: <reason>`, confirmations.

import { clientMessageId, isObject, NitkaError, parseJson, type UserId, userName } from '@nitka/protocol'
import type { Direct } from '../../direct/direct.ts'
import type { Place } from '../../direct/inbox.ts'
import { isSentCopy, messageText } from '../../direct/messages.ts'
import type { LogMessage } from '../../log/feed.ts'
import { type Authorize, Permits } from '../../sessions/auth.ts'
import type { Dialect } from '../../sessions/dialect.ts'
import type { Session } from '../../sessions/session.ts'
import { textEncoder } from '../encoders.ts'
import { isHeartbeat } from '../heartbeat.ts'
import { Replies } from './replies.ts'

/** What came for the user; what the user sent from elsewhere is left out. */
const plainDirectEncoder = textEncoder<LogMessage>((message) => (isSentCopy(message) ? '' : messageText(message.entry)))

export class PlainDirect implements Dialect {
  readonly #session: Session
  readonly #direct: Direct
  readonly #permits: Permits
  readonly #replies: Replies
  readonly #place: Place

  constructor(session: Session, direct: Direct, authorize: Authorize, onInternal: (error: unknown) => void) {
    this.#session = session
    this.#direct = direct
    this.#permits = new Permits(authorize)
    this.#replies = new Replies(session, onInternal)
    this.#place = direct.open(session.user, session.device, session, plainDirectEncoder(session.wire.framing))
    this.#place.onFailed = (error) => {
      onInternal(error)
      session.close('internal', 'the store does not answer')
    }
  }

  receiveText(text: Buffer): void {
    if (isHeartbeat(text)) return this.#session.reply('heartbeat')
    let value: unknown
    try {
      value = parseJson(text.toString())
    } catch (error) {
      return this.#replies.answer(text.length, () => Promise.reject(error))
    }
    this.receiveValue(value, text.length)
  }

  /** A message that was parsed already. */
  receiveValue(value: unknown, bytes: number): void {
    this.#replies.answer(bytes, () => this.#answer(value))
  }

  receiveBinary(data: Buffer): void {
    this.#replies.answer(data.length, () =>
      Promise.reject(new NitkaError('invalid', 'binary frames are not understood here; send text')),
    )
  }

  refuse(error: NitkaError): void {
    this.#replies.answer(0, () => Promise.reject(error))
  }

  draining(): void {
    // Plain clients have no word for it: the close code 1012 says it.
  }

  closed(): void {
    this.#place.close()
  }

  /** Hands out nothing more: the client speaks another dialect and asks for its messages there. */
  stopDelivering(): void {
    this.#place.close()
  }

  async #answer(value: unknown): Promise<string> {
    if (!isObject(value)) throw new NitkaError('invalid', 'not a JSON object')
    // Of something to send, `ack` is a field like any other that is not ours: what is sent is never lost in silence.
    if ('ack' in value && value.message === undefined) return this.#confirm(value.ack)
    const from = userName(value.fromUser, 'fromUser')
    userName(value.toUser, 'toUser')
    if (from !== this.#session.user) {
      throw new NitkaError('forbidden', `fromUser is not this connection's user (${this.#session.user})`, {
        field: 'fromUser',
      })
    }
    const clientId = value.id === undefined ? undefined : clientMessageId(value.id, 'id')
    // Nothing may be awaited before the send when no rule asks for it: what is sent first is stored first.
    const permit = this.#permits.demand(this.#session.who, 'direct.send', String(value.toUser))
    if (permit !== undefined) await permit
    const { fromUser, toUser, message } = value
    await this.#direct.sendUser({ fromUser: fromUser as UserId, toUser: toUser as UserId, message }, clientId)
    return 'ok'
  }

  async #confirm(offset: unknown): Promise<string> {
    if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 1) {
      throw new NitkaError('invalid', 'ack must be the offset of a message: an integer from 1', { field: 'ack' })
    }
    const sent = await this.#place.sentOffset()
    if (offset > sent) {
      throw new NitkaError('invalid', `ack is beyond what was sent here (${sent})`, { field: 'ack' })
    }
    await this.#place.confirm(offset)
    return ''
  }
}

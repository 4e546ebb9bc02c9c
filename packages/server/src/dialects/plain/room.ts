// A room in its plain dialect: each message of the room as JSON, one's own included; `{"message": …}` sends.

import { isObject, NitkaError, type Position, parseJson } from '@nitka/protocol'
import type { LogMessage } from '../../log/feed.ts'
import type { RoomJoined } from '../../rooms/guest.ts'
import { entryText } from '../../rooms/messages.ts'
import type { Rooms } from '../../rooms/rooms.ts'
import { type Authorize, demand } from '../../sessions/auth.ts'
import type { Dialect, Endpoint, EndpointRequest } from '../../sessions/dialect.ts'
import type { Session } from '../../sessions/session.ts'
import { textEncoder } from '../encoders.ts'
import { isHeartbeat } from '../heartbeat.ts'
import { Replies } from './replies.ts'

const plainRoomEncoder = textEncoder<LogMessage>(({ log, entry }) => entryText(log.id, entry))

/** `/rooms/:room/ws`, optionally `?since=<offset>`. */
export function roomEndpoint(rooms: Rooms, authorize: Authorize, onInternal: (error: unknown) => void): Endpoint {
  return {
    path: '/rooms/:room/ws',
    identity: 'required',
    async admit(caller, request) {
      sinceOf(request)
      await demand(authorize, caller.who, 'rooms.join', request.params.room ?? '')
      await rooms.admit(caller.who.user, request.params.room ?? '')
    },
    open: (session, request) => new PlainRoom(session, rooms, request, onInternal),
  }
}

class PlainRoom implements Dialect {
  readonly #session: Session
  readonly #rooms: Rooms
  readonly #room: string
  readonly #replies: Replies
  /** Settled once the room was joined: what is sent earlier waits, so that it comes back to its sender. */
  readonly #joining: Promise<void>
  #joined: RoomJoined | undefined

  constructor(session: Session, rooms: Rooms, request: EndpointRequest, onInternal: (error: unknown) => void) {
    this.#session = session
    this.#rooms = rooms
    this.#room = request.params.room ?? ''
    this.#replies = new Replies(session, onInternal)
    const failed = (error: unknown): void => {
      onInternal(error)
      session.close('internal', 'the store does not answer')
    }
    this.#joining = this.#join(sinceOf(request), failed).catch((error: unknown) => {
      if (error instanceof NitkaError && error.code === 'forbidden') session.close('policy', error.message)
      else failed(error)
    })
  }

  receiveText(text: Buffer): void {
    if (isHeartbeat(text)) return this.#session.reply('heartbeat')
    const copy = text.toString()
    this.#replies.answer(text.length, async () => {
      const value = parseJson(copy)
      if (!isObject(value)) throw new NitkaError('invalid', 'not a JSON object')
      await this.#joining
      const clientId = value.clientId ?? value.id
      const sender = this.#session.user
      const sent = await this.#rooms.send(sender, this.#room, value.message, clientId as string | undefined)
      if (!sent.repeated) return ''
      // Nobody hears it a second time, but whoever repeats wants to know that it is stored; unless it is still to come.
      const { id, time, offsets } = sent
      const [offset = 0] = offsets
      if (this.#joined !== undefined && offset > this.#joined.subscription.position) return ''
      const entry = { id, time, sender, offset, body: JSON.stringify(value.message) }
      return entryText(this.#room, { ...entry, clientId: String(clientId) })
    })
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
    this.#joined?.close(this.#session.lost)
  }

  async #join(since: Position | undefined, failed: (error: unknown) => void): Promise<void> {
    const session = this.#session
    const encoder = plainRoomEncoder(session.wire.framing)
    const removed = (): void => session.close('policy', 'you are no member of this room any more')
    const guest = { user: session.user, recipient: session, entries: encoder, removed, failed }
    const joined = await this.#rooms.join(this.#room, since, guest)
    if (session.ended !== undefined) return joined.close(session.lost)
    this.#joined = joined
    const log = { kind: 'room', id: this.#room } as const
    session.deliver(encoder.encode(joined.entries.map((entry) => ({ log, entry }))).bytes)
    joined.subscription.start()
  }
}

/** @throws NitkaError `invalid` */
function sinceOf(request: EndpointRequest): Position | undefined {
  const text = request.query.get('since')
  if (text === null) return undefined
  const offset = Number(text)
  if (!/^\d{1,15}$/.test(text)) {
    throw new NitkaError('invalid', 'since must be an offset: 0 or a positive integer', { field: 'since' })
  }
  return { offset }
}

// rooms.*

import type { Position } from '@nitka/protocol'
import { nextOf } from '../../log/paging.ts'
import { entryText, roomAnswer } from '../../rooms/messages.ts'
import { Answer, type Handlers, RawJson, type RpcContext } from './context.ts'
import { rpcRoomEncoder, rpcRoomEventEncoder } from './encoders.ts'
import { demandSubscription, recoveryText } from './subscriptions.ts'

interface PageParams {
  room: string
  before?: number
  after?: number
  limit?: number
}

interface NamePageParams {
  after?: string
  limit?: number
}

export const roomCalls: Handlers<'rooms'> = {
  async 'rooms.create'(
    { session, services, permits }: RpcContext,
    wish: { name: string; open?: boolean; id?: string },
  ) {
    await permits.demand(session.user, 'rooms.create', wish.id ?? '')
    return roomAnswer(await services.rooms.create(session.user, wish))
  },

  async 'rooms.list'({ session, services }: RpcContext, { after, limit = 50 }: NamePageParams) {
    const rooms = await services.rooms.list(session.user, after, limit)
    return { rooms: rooms.map(roomAnswer), next: rooms.length < limit ? null : (rooms.at(-1)?.id ?? null) }
  },

  async 'rooms.join'(context: RpcContext, { room, since }: { room: string; since?: Position }) {
    const { session, services, rooms, permits } = context
    await permits.demand(session.user, 'rooms.join', room)
    if (!rooms.has(room)) demandSubscription(context)
    const { framing } = session.wire
    const joined = await services.rooms.join(room, since, {
      user: session.user,
      recipient: session,
      entries: rpcRoomEncoder(framing),
      events: rpcRoomEventEncoder(framing),
      removed: () => rooms.delete(room),
      failed: context.failed,
      missing: (ranges) => context.missing(`room:${room}`, ranges),
    })
    rooms.get(room)?.close()
    rooms.set(room, joined)
    if (session.ended !== undefined) joined.close()
    const members = await services.rooms.members(session.user, room)
    const rest = JSON.stringify({
      read: joined.read,
      unread: joined.unread,
      room: roomAnswer(joined.room),
      members: members.map(({ user }) => user),
      presence: joined.presence,
    }).slice(1, -1)
    const entries = joined.entries.map((entry) => entryText(room, entry)).join(',')
    return new Answer(new RawJson(`{${recoveryText(joined)},${rest},"entries":[${entries}]}`), () =>
      joined.subscription.start(),
    )
  },

  'rooms.leave'({ rooms }: RpcContext, { room }: { room: string }) {
    rooms.get(room)?.close()
    rooms.delete(room)
    return {}
  },

  async 'rooms.send'(
    { session, services }: RpcContext,
    { room, message, clientId }: { room: string; message: unknown; clientId?: string },
  ) {
    const { id, offsets, time, repeated } = await services.rooms.send(session.user, room, message, clientId)
    return { id, offset: offsets[0], time: new Date(time).toISOString(), repeated }
  },

  async 'rooms.history'({ session, services }: RpcContext, { room, ...query }: PageParams) {
    const page = await services.rooms.history(session.user, room, query)
    const messages = page.entries.map((entry) => entryText(room, entry)).join(',')
    return new RawJson(`{"messages":[${messages}],"next":${nextOf(page, query)}}`)
  },

  'rooms.read'({ session, services }: RpcContext, { room, offset }: { room: string; offset: number }) {
    return services.rooms.read(session.user, room, offset)
  },

  async 'rooms.signal'({ session, services }: RpcContext, { room, signal }: { room: string; signal: unknown }) {
    await services.rooms.signal(session.user, room, signal)
    return {}
  },

  async 'rooms.members'(
    { session, services }: RpcContext,
    { room, after, limit = 50 }: NamePageParams & { room: string },
  ) {
    const members = await services.rooms.members(session.user, room, after, limit)
    const list = members.map(({ user, time }) => ({ user, time: new Date(time).toISOString() }))
    return { members: list, next: list.length < limit ? null : (list.at(-1)?.user ?? null) }
  },

  async 'rooms.add'({ session, services }: RpcContext, { room, user }: { room: string; user: string }) {
    return { added: await services.rooms.addMember(session.user, room, user) }
  },

  async 'rooms.remove'({ session, services }: RpcContext, { room, user }: { room: string; user: string }) {
    return { removed: await services.rooms.removeMember(session.user, room, user) }
  },

  async 'rooms.presence'({ session, services }: RpcContext, { room }: { room: string }) {
    return { presence: await services.rooms.present(session.user, room) }
  },
}

// rooms.*

import type { Position } from '@nitka/protocol'
import { nextOf } from '../../log/paging.ts'
import type { RoomJoined } from '../../rooms/guest.ts'
import { entryText, roomAnswer } from '../../rooms/messages.ts'
import type { Member } from '../../rooms/room-directory.ts'
import { Answer, type Handlers, type Joining, RawJson, type RpcContext } from './context.ts'
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
    await permits.demand(session.who, 'rooms.create', wish.id ?? '')
    return roomAnswer(await services.rooms.createAsked(session.user, wish))
  },

  async 'rooms.list'({ session, services }: RpcContext, { after, limit = 50 }: NamePageParams) {
    const rooms = await services.rooms.list(session.user, after, limit)
    return { rooms: rooms.map(roomAnswer), next: rooms.length < limit ? null : (rooms.at(-1)?.id ?? null) }
  },

  async 'rooms.join'(context: RpcContext, { room, since }: { room: string; since?: Position }) {
    if (!context.rooms.has(room)) demandSubscription(context)
    const mine: Joining = { room, left: false }
    context.joining.add(mine)
    try {
      return await join(context, mine, since)
    } finally {
      context.joining.delete(mine)
    }
  },

  'rooms.leave'({ rooms, joining }: RpcContext, { room }: { room: string }) {
    for (const one of joining) if (one.room === room) one.left = true
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

  async 'rooms.add'({ session, services, permits }: RpcContext, { room, user }: { room: string; user: string }) {
    await permits.demand(session.who, 'rooms.join', room)
    return { added: await services.rooms.addMember(session.user, room, user) }
  },

  async 'rooms.remove'({ session, services }: RpcContext, { room, user }: { room: string; user: string }) {
    return { removed: await services.rooms.removeMember(session.user, room, user) }
  },

  async 'rooms.presence'({ session, services }: RpcContext, { room }: { room: string }) {
    return { presence: await services.rooms.present(session.user, room) }
  },
}

async function join(context: RpcContext, mine: Joining, since: Position | undefined): Promise<Answer> {
  const { session, services, rooms, permits } = context
  const { room } = mine
  await permits.demand(session.who, 'rooms.join', room)
  const { framing } = session.wire
  const joined = await services.rooms.join(room, since, {
    user: session.user,
    recipient: session,
    entries: rpcRoomEncoder(framing),
    events: rpcRoomEventEncoder(framing),
    removed: () => {
      mine.left = true
      rooms.delete(room)
    },
    failed: context.failed,
    missing: (ranges) => context.missing(`room:${room}`, ranges),
  })
  try {
    const members = await services.rooms.members(session.user, room)
    if (mine.left || session.ended !== undefined) joined.close(!mine.left && session.lost)
    else {
      rooms.get(room)?.close()
      rooms.set(room, joined)
    }
    return new Answer(joinedText(joined, members), () => joined.subscription.start())
  } catch (error) {
    joined.close()
    throw error
  }
}

function joinedText(joined: RoomJoined, members: readonly Member[]): RawJson {
  const { room, read, unread, presence } = joined
  const names = members.map(({ user }) => user)
  const rest = JSON.stringify({ read, unread, room: roomAnswer(room), members: names, presence }).slice(1, -1)
  const entries = joined.entries.map((entry) => entryText(room.id, entry)).join(',')
  return new RawJson(`{${recoveryText(joined)},${rest},"entries":[${entries}]}`)
}

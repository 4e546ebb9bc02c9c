// Rooms over HTTP.

import { NitkaError, userName } from '@nitka/protocol'
import { http as bodies, values } from '@nitka/protocol/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import type { Appended } from '../../log/log-store.ts'
import { nextOf } from '../../log/paging.ts'
import { entryText, roomAnswer } from '../../rooms/messages.ts'
import type { Rooms } from '../../rooms/rooms.ts'
import { type Authorize, demand, type Identity, nobody, refuseNameless } from '../../sessions/auth.ts'
import { sendJson, type WhoOf } from './server.ts'

interface RoomRoutes {
  readonly rooms: Rooms
  readonly who: WhoOf
  readonly authorize: Authorize
}

type In<Body = unknown, Query = unknown> = FastifyRequest<{
  Body: Body
  Querystring: Query
  Params: { room: string; user: string }
}>

type Sending = Static<typeof bodies.SendToRoom>

const pageDefault = 50

export function roomRoutes(http: FastifyInstance, parts: RoomRoutes): void {
  aboutRooms(http, parts)
  aboutMembers(http, parts)
  aboutMessages(http, parts)
}

function aboutRooms(http: FastifyInstance, { rooms, who, authorize }: RoomRoutes): void {
  const tags = ['rooms']
  http.post(
    '/rooms',
    {
      schema: {
        tags,
        summary: 'Create a room',
        querystring: bodies.Caller,
        body: bodies.CreateRoom,
        response: { 201: values.Room },
      },
    },
    async (request: In<Static<typeof bodies.CreateRoom>>, reply) => {
      const caller = await namedCaller(who, request)
      await demand(authorize, caller, 'rooms.create', request.body.id ?? '')
      return reply.code(201).send(roomAnswer(await rooms.createAsked(caller.user, request.body)))
    },
  )
  http.get(
    '/rooms',
    { schema: { tags, summary: "The caller's rooms", querystring: bodies.NamePage, response: { 200: bodies.Rooms } } },
    async (request: In<unknown, Static<typeof bodies.NamePage>>) => {
      const { after, limit = pageDefault } = request.query
      const list = await rooms.list(await callerOf(who, request), after, limit)
      return { rooms: list.map(roomAnswer), next: list.length < limit ? null : (list.at(-1)?.id ?? null) }
    },
  )
  http.get(
    '/rooms/:room',
    {
      schema: {
        tags,
        summary: 'A room',
        params: bodies.RoomParams,
        querystring: bodies.Caller,
        response: { 200: values.Room },
      },
    },
    async (request: In) => roomAnswer(await rooms.get(await callerOf(who, request), request.params.room)),
  )
  http.get(
    '/rooms/:room/presence',
    {
      schema: {
        tags,
        summary: 'Who is there now',
        params: bodies.RoomParams,
        querystring: bodies.Caller,
        response: { 200: bodies.Presence },
      },
    },
    async (request: In) => {
      const presence = await rooms.present(await callerOf(who, request), request.params.room)
      return { presence, next: null }
    },
  )
}

function aboutMembers(http: FastifyInstance, { rooms, who, authorize }: RoomRoutes): void {
  const tags = ['rooms']
  http.get(
    '/rooms/:room/members',
    {
      schema: {
        tags,
        summary: 'The members',
        params: bodies.RoomParams,
        querystring: bodies.NamePage,
        response: { 200: bodies.Members },
      },
    },
    async (request: In<unknown, Static<typeof bodies.NamePage>>) => {
      const { after, limit = pageDefault } = request.query
      const list = await rooms.members(await callerOf(who, request), request.params.room, after, limit)
      const members = list.map(({ user, time }) => ({ user, time: new Date(time).toISOString() }))
      return { members, next: members.length < limit ? null : (members.at(-1)?.user ?? null) }
    },
  )
  http.post(
    '/rooms/:room/members',
    {
      schema: {
        tags,
        summary: 'Make a user a member',
        params: bodies.RoomParams,
        querystring: bodies.Caller,
        body: bodies.AddMember,
      },
    },
    async (request: In<Static<typeof bodies.AddMember>>, reply) => {
      const caller = await namedCaller(who, request)
      const { room } = request.params
      await demand(authorize, caller, 'rooms.join', room)
      const member = userName(request.body.user, 'user')
      const added = await rooms.addMember(caller.user, room, member)
      return reply.code(added ? 201 : 200).send({ room, user: member })
    },
  )
  http.delete(
    '/rooms/:room/members/:user',
    { schema: { tags, summary: 'End a membership', params: bodies.MemberParams, querystring: bodies.Caller } },
    async (request: In, reply) => {
      const { room, user: member } = request.params
      const removed = await rooms.removeMember(await callerOf(who, request), room, member)
      if (!removed) throw new NitkaError('not-found', `${member} is no member of ${room}`)
      return reply.code(204).send()
    },
  )
}

function aboutMessages(http: FastifyInstance, { rooms, who, authorize }: RoomRoutes): void {
  const tags = ['rooms']
  /** Whoever writes into an open room comes into it. */
  const send = async (caller: Identity, room: string, { message, clientId }: Sending): Promise<Appended> => {
    try {
      return await rooms.send(caller.user, room, message, clientId)
    } catch (error) {
      if (!(error instanceof NitkaError && error.code === 'forbidden')) throw error
      await demand(authorize, caller, 'rooms.join', room)
      await rooms.admit(caller.user, room)
      return rooms.send(caller.user, room, message, clientId)
    }
  }
  http.post(
    '/rooms/:room/messages',
    {
      schema: {
        tags,
        summary: 'Send a message; answered when it is on disk. Into an open room it makes the caller a member',
        params: bodies.RoomParams,
        querystring: bodies.Caller,
        body: bodies.SendToRoom,
        response: { 200: values.RoomEntry, 201: values.RoomEntry },
      },
    },
    async (request: In<Sending>, reply) => {
      const { message, clientId } = request.body
      const { room } = request.params
      const caller = await namedCaller(who, request)
      const sender = caller.user
      const { id, time, offsets, repeated } = await send(caller, room, request.body)
      const [offset = 0] = offsets
      const client = clientId === undefined ? {} : { clientId }
      const body = JSON.stringify(message)
      return sendJson(reply, entryText(room, { id, offset, time, sender, body, ...client }), repeated ? 200 : 201)
    },
  )
  http.get(
    '/rooms/:room/messages',
    {
      schema: {
        tags,
        summary: 'History',
        params: bodies.RoomParams,
        querystring: bodies.Page,
        response: { 200: bodies.RoomPage },
      },
    },
    async (request: In<unknown, Static<typeof bodies.Page>>, reply) => {
      const { room } = request.params
      const { before, after, limit } = request.query
      const query = {
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit }),
      }
      const page = await rooms.history(await callerOf(who, request), room, query)
      const messages = page.entries.map((entry) => entryText(room, entry)).join(',')
      return sendJson(reply, `{"messages":[${messages}],"next":${nextOf(page, query)}}`)
    },
  )
}

/** @throws NitkaError `unauthenticated` */
export async function callerOf(who: WhoOf, request: FastifyRequest): Promise<string> {
  return (await namedCaller(who, request)).user
}

/** @throws NitkaError `unauthenticated` */
async function namedCaller(who: WhoOf, request: FastifyRequest): Promise<Identity> {
  const caller = await who(request)
  if (caller === nobody) throw new NitkaError('unauthenticated', 'say who you are with ?user=', { field: 'user' })
  return caller.user === '' ? refuseNameless() : caller
}

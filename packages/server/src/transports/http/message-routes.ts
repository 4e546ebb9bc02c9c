// Direct messages over HTTP: history for users, sending for the application's backend, and all-or-nothing batches.

import { http as bodies, values } from '@nitka/protocol/schemas'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { type Direct, type HistoryQuery, type Sent, sentOf } from '../../direct/direct.ts'
import { messageText } from '../../direct/messages.ts'
import type { DraftAppend, Log } from '../../log/log.ts'
import { nextOf } from '../../log/paging.ts'
import type { Rooms } from '../../rooms/rooms.ts'
import { type Authorize, demand } from '../../sessions/auth.ts'
import { callerOf } from './room-routes.ts'
import { sendJson, type WhoOf } from './server.ts'

interface MessageRoutes {
  readonly direct: Direct
  readonly rooms: Rooms
  readonly log: Log
  readonly who: WhoOf
  readonly authorize: Authorize
}

type Operation = Static<typeof bodies.BatchOperation>

export function messageRoutes(http: FastifyInstance, parts: MessageRoutes): void {
  const { direct, who } = parts
  http.get(
    '/ws/history',
    {
      schema: {
        tags: ['direct'],
        summary: "The caller's own messages, sent and received, pending ones included",
        querystring: bodies.HistoryQuery,
        response: { 200: bodies.DirectPage },
      },
    },
    async (request: FastifyRequest<{ Querystring: Static<typeof bodies.HistoryQuery> }>, reply) => {
      const { user: _user, ...query } = request.query
      const page = await direct.history(await callerOf(who, request), query as HistoryQuery)
      const messages = page.entries.map(messageText).join(',')
      return sendJson(reply, `{"messages":[${messages}],"next":${nextOf(page, query as HistoryQuery)}}`)
    },
  )
  sending(http, parts)
  batches(http, parts)
}

function sending(http: FastifyInstance, { direct, who, authorize }: MessageRoutes): void {
  http.post(
    '/messages/user',
    {
      schema: {
        tags: ['backend'],
        summary: 'Send a message from a user to a user, for the application',
        body: bodies.SendUser,
        response: { 200: values.Sent, 201: values.Sent },
      },
    },
    async (request: FastifyRequest<{ Body: Static<typeof bodies.SendUser> }>, reply) => {
      await demand(authorize, (await who(request)) ?? '', 'backend.send', String(request.body.toUser))
      const { id, ...send } = request.body
      return sendSent(reply, await direct.sendUser(send, id))
    },
  )
  http.post(
    '/messages/system',
    {
      schema: {
        tags: ['backend'],
        summary: 'Send a system message to a user, for the application',
        body: bodies.SendSystem,
        response: { 200: values.Sent, 201: values.Sent },
      },
    },
    async (request: FastifyRequest<{ Body: Static<typeof bodies.SendSystem> }>, reply) => {
      await demand(authorize, (await who(request)) ?? '', 'backend.send', String(request.body.toUser))
      const { id, ...send } = request.body
      return sendSent(reply, await direct.sendSystem(send, id))
    },
  )
}

function batches(http: FastifyInstance, { direct, rooms, log, who, authorize }: MessageRoutes): void {
  http.post(
    '/batch',
    {
      schema: {
        tags: ['backend'],
        summary: 'Send several messages: all are stored, or none',
        body: bodies.Batch,
        response: { 201: bodies.BatchResult },
      },
    },
    async (request: FastifyRequest<{ Body: Static<typeof bodies.Batch> }>, reply) => {
      await demand(authorize, (await who(request)) ?? '', 'backend.send', '*')
      const drafts: DraftAppend[] = []
      for (const operation of request.body.operations) drafts.push(await draftOf(operation, direct, rooms))
      const appended = await log.append(drafts)
      const results = drafts.map((draft, index) => {
        const result = appended[index]
        return result && answerOf(sentOf(draft, result))
      })
      return reply.code(201).send({ results })
    },
  )
}

async function draftOf(operation: Operation, direct: Direct, rooms: Rooms): Promise<DraftAppend> {
  if ('user' in operation) {
    const { id, ...send } = operation.user
    return direct.userAppend(send, id)
  }
  if ('system' in operation) {
    const { id, ...send } = operation.system
    return direct.systemAppend(send, id)
  }
  const { room, from, message, clientId } = operation.room
  return rooms.append(from, room, message, clientId)
}

function answerOf(sent: Sent): unknown {
  return { ...sent, time: new Date(sent.time).toISOString() }
}

function sendSent(reply: FastifyReply, sent: Sent): FastifyReply {
  return reply.code(sent.repeated ? 200 : 201).send(answerOf(sent))
}

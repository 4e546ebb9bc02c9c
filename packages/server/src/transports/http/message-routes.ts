// Direct messages over HTTP: history for users, sending for the application's backend, and all-or-nothing batches.

import { limits } from '@nitka/protocol'
import { http as bodies, values } from '@nitka/protocol/schemas'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { type Direct, type HistoryQuery, type Sent, sentOf } from '../../direct/direct.ts'
import { messageText } from '../../direct/messages.ts'
import type { DraftAppend, Log } from '../../log/log.ts'
import type { Append, Appended } from '../../log/log-store.ts'
import { nextOf } from '../../log/paging.ts'
import type { Rooms } from '../../rooms/rooms.ts'
import { type Authorize, demand } from '../../sessions/auth.ts'
import type { Added, NewTask } from '../../tasks/task-store.ts'
import type { Tasks } from '../../tasks/tasks.ts'
import { readBatch } from './batch-body.ts'
import { callerOf } from './room-routes.ts'
import { readJson, sendJson, type WhoOf } from './server.ts'

interface BatchParts {
  readonly direct: Direct
  readonly rooms: Rooms
  readonly tasks: Tasks
  readonly log: Log
  readonly storeTogether: (appends: readonly Append[], tasks: readonly NewTask[]) => Promise<Together>
}

/** What the engine answers to both. */
interface Together {
  readonly appended: readonly Appended[]
  readonly added: readonly Added[]
}

interface MessageRoutes extends BatchParts {
  readonly who: WhoOf
  readonly authorize: Authorize
}

type Operation = Static<typeof bodies.BatchOperation>

/** The check is our own: of a choice between shapes it can say which one was meant. */
const validatorCompiler = () => readBatch

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
  void http.register(async (scope) => {
    readJson(scope, limits.listKeys)
    batches(scope, parts)
  })
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
      await demand(authorize, await who(request), 'backend.send', String(request.body.toUser))
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
      await demand(authorize, await who(request), 'backend.send', String(request.body.toUser))
      const { id, ...send } = request.body
      return sendSent(reply, await direct.sendSystem(send, id))
    },
  )
}

function batches(http: FastifyInstance, { who, authorize, ...parts }: MessageRoutes): void {
  http.post(
    '/batch',
    {
      schema: {
        tags: ['backend'],
        summary: 'Send several messages and add tasks: all is stored, or nothing',
        body: bodies.Batch,
        response: { 201: bodies.BatchResult },
      },
      validatorCompiler,
    },
    async (request: FastifyRequest<{ Body: Static<typeof bodies.Batch> }>, reply) => {
      const caller = await who(request)
      await demand(authorize, caller, 'backend.send', '*')
      const permit = (queue: string): Promise<void> => demand(authorize, caller, 'tasks.add', queue)
      return reply.code(201).send({ results: await batch(parts, request.body.operations, permit) })
    },
  )
}

/** All or nothing; the results in the order of the operations. */
async function batch(
  parts: BatchParts,
  operations: readonly Operation[],
  permit: (queue: string) => Promise<void>,
): Promise<unknown[]> {
  const { direct, rooms, tasks, log, storeTogether } = parts
  const wishes = operations.flatMap((operation) => ('task' in operation ? [operation.task] : []))
  const fresh = wishes.length === 0 ? [] : tasks.read(wishes)
  for (const queue of new Set(fresh.map((task) => task.queue))) await permit(queue)
  const drafts: DraftAppend[] = []
  for (const operation of operations) {
    if (!('task' in operation)) drafts.push(await draftOf(operation, direct, rooms))
  }
  let appended: readonly Appended[] = []
  const added = await tasks.addAll(fresh, async () => {
    let stored: Together | undefined
    appended = await log.append(drafts, async (appends) => {
      stored = await storeTogether(appends, fresh)
      return stored.appended
    })
    return stored?.added ?? []
  })
  let [message, task] = [0, 0]
  return operations.map((operation) => {
    if ('task' in operation) return added[task++]
    const [draft, result] = [drafts[message], appended[message++]]
    return draft && result && answerOf(sentOf(draft, result))
  })
}

async function draftOf(
  operation: Exclude<Operation, { task: unknown }>,
  direct: Direct,
  rooms: Rooms,
): Promise<DraftAppend> {
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

// Dead letters and queues over HTTP, for those who run them.

import { NitkaError } from '@nitka/protocol'
import { http as bodies, tasks as schemas } from '@nitka/protocol/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { demand } from '../../sessions/auth.ts'
import { taskAnswer } from '../../tasks/answers.ts'
import { idOf, type TaskRoutes } from './task-routes.ts'

const { Caller } = bodies

const OneTask = Type.Object({ id: Type.String() })
const OneQueue = Type.Object({ queue: schemas.QueueName })
const Filter = Type.Object({ ...Caller.properties, queue: Type.Optional(schemas.QueueName) })
const Confirm = Type.Object({ ...Caller.properties, confirm: Type.Optional(Type.String()) })
const Bury = Type.Object({ reason: Type.Optional(Type.String({ maxLength: 1_000 })) }, { additionalProperties: false })

type One = FastifyRequest<{ Params: { id: string } }>
type Many = FastifyRequest<{ Querystring: Static<typeof Filter> }>

export function taskAdminRoutes(http: FastifyInstance, parts: TaskRoutes): void {
  deadLetters(http, parts)
  queues(http, parts)
}

function deadLetters(http: FastifyInstance, { tasks, who, authorize }: TaskRoutes): void {
  const permit = async (request: FastifyRequest, target: string): Promise<void> =>
    demand(authorize, await who(request), 'admin.tasks', target)
  const tags = ['tasks']
  const task = { 200: schemas.Task }
  http.post(
    '/tasks/dead/:id/retry',
    { schema: { tags, summary: 'Try a dead letter again, with fresh attempts', params: OneTask, response: task } },
    async (request: One) => {
      await permit(request, request.params.id)
      return taskAnswer(await tasks.retry(idOf(request)))
    },
  )
  http.post(
    '/tasks/dead/retry',
    { schema: { tags, summary: 'Try all dead letters again, of a queue or of all', querystring: Filter } },
    async (request: Many) => {
      await permit(request, request.query.queue ?? '')
      return { retried: await tasks.retryAll(request.query.queue) }
    },
  )
  http.delete(
    '/tasks/dead/:id',
    { schema: { tags, summary: 'Remove a dead letter', params: OneTask } },
    async (request: One, reply) => {
      await permit(request, request.params.id)
      await tasks.drop(idOf(request))
      return reply.code(204).send()
    },
  )
  http.delete(
    '/tasks/dead',
    { schema: { tags, summary: 'Remove all dead letters, of a queue or of all', querystring: Filter } },
    async (request: Many) => {
      await permit(request, request.query.queue ?? '')
      return { dropped: await tasks.dropAll(request.query.queue) }
    },
  )
  http.post(
    '/tasks/:id/bury',
    {
      schema: {
        tags,
        summary: 'Make a task a dead letter',
        params: OneTask,
        body: Bury,
        response: task,
      },
      // Without a reason there need be no body.
      preValidation: async (request) => {
        request.body ??= {}
      },
    },
    async (request: FastifyRequest<{ Params: { id: string }; Body: Static<typeof Bury> }>) => {
      await permit(request, request.params.id)
      return taskAnswer(await tasks.bury(idOf(request), request.body.reason))
    },
  )
}

function queues(http: FastifyInstance, { tasks, who, authorize }: TaskRoutes): void {
  const tags = ['tasks']
  http.patch(
    '/queues/:queue',
    {
      schema: {
        ...{ tags, summary: 'Pause a queue, or set the rules of its groups', params: OneQueue },
        ...{ body: schemas.QueueSettings, response: { 200: schemas.Settings } },
      },
    },
    async (request: FastifyRequest<{ Params: { queue: string }; Body: Static<typeof schemas.QueueSettings> }>) => {
      const { queue } = request.params
      await demand(authorize, await who(request), 'admin.tasks', queue)
      return tasks.configure(queue, request.body)
    },
  )
  http.delete(
    '/queues/:queue/tasks',
    {
      schema: {
        ...{ tags, summary: 'Remove everything that waits in a queue; `confirm` repeats its name' },
        ...{ params: OneQueue, querystring: Confirm },
      },
    },
    async (request: FastifyRequest<{ Params: { queue: string }; Querystring: Static<typeof Confirm> }>) => {
      const { queue } = request.params
      await demand(authorize, await who(request), 'admin.tasks', queue)
      if (request.query.confirm !== queue) {
        throw new NitkaError('invalid', `confirm must repeat the name of the queue: ?confirm=${queue}`, {
          field: 'confirm',
        })
      }
      return { purged: await tasks.purge(queue) }
    },
  )
}

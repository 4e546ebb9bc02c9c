// Tasks over HTTP: adding, reporting, and what people want to see of them.

import { isId, limits, NitkaError } from '@nitka/protocol'
import { http as bodies, tasks as schemas } from '@nitka/protocol/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { type Authorize, demand } from '../../sessions/auth.ts'
import { plainReportAnswer, queueAnswer, reportAnswer, reportsOf, taskAnswer } from '../../tasks/answers.ts'
import type { TaskPage, TaskQuery } from '../../tasks/task-store.ts'
import type { Tasks } from '../../tasks/tasks.ts'
import { idsAlone, readReport } from './report-body.ts'
import { readJson, type WhoOf } from './server.ts'

export interface TaskRoutes {
  readonly tasks: Tasks
  readonly who: WhoOf
  readonly authorize: Authorize
}

const { Caller } = bodies

const ListQuery = Type.Object({
  ...Caller.properties,
  queue: Type.Optional(schemas.QueueName),
  state: Type.Optional(schemas.TaskState),
  after: Type.Optional(Type.String({ maxLength: 200 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
})
const { state: _, ...deadProperties } = ListQuery.properties
const DeadQuery = Type.Object(deadProperties)
const OneTask = Type.Object({ id: Type.String() })
const Extend = Type.Object(
  { token: schemas.Token, lease: Type.Optional(schemas.LeaseMs) },
  { additionalProperties: false },
)
const Progress = Type.Object({ token: schemas.Token, progress: Type.Unknown() }, { additionalProperties: false })
const Added = Type.Object({ tasks: Type.Array(schemas.AddedTask) })
const NewTasks = Type.Union([schemas.TaskInput, Type.Array(schemas.TaskInput)])
const Reports = Type.Union([schemas.PlainReport, schemas.Report])

/** The check is the service's own: of a choice between two shapes it can say which one was meant. */
const unchecked = { validatorCompiler: () => (value: unknown) => ({ value }) }

type Page = FastifyRequest<{ Querystring: Static<typeof ListQuery> }>
type One = FastifyRequest<{ Params: { id: string } }>

export function taskRoutes(http: FastifyInstance, parts: TaskRoutes): void {
  void http.register(async (scope) => {
    readJson(scope, limits.listKeys)
    adding(scope, parts)
    reporting(scope, parts)
  })
  reading(http, parts)
  leases(http, parts)
}

function adding(http: FastifyInstance, { tasks, who, authorize }: TaskRoutes): void {
  const summary = 'Add one task or an array of them: all, or none'
  const schema = { tags: ['tasks'], summary, body: NewTasks, response: { 200: Added, 201: Added } }
  http.post('/tasks', { schema, ...unchecked }, async (request, reply) => {
    const wish = tasks.read(request.body)
    const caller = await who(request)
    for (const queue of new Set(wish.map((task) => task.queue))) await demand(authorize, caller, 'tasks.add', queue)
    const added = await tasks.addAll(wish)
    return reply.code(added.every(({ repeated }) => repeated) ? 200 : 201).send({ tasks: added })
  })
}

function reporting(http: FastifyInstance, { tasks, who, authorize }: TaskRoutes): void {
  const summary = 'Report tasks: an array of ids that are done, or {done, failed}. Repeating it is fine'
  const schema = { tags: ['tasks'], summary, body: Reports, response: { 200: schemas.Reported } }
  http.post('/report', { schema, ...unchecked }, async (request) => {
    const wish = readReport(request.body)
    await demand(authorize, await who(request), 'tasks.report', '')
    const reports = reportsOf(wish, () => undefined)
    const outcomes = await tasks.report(reports)
    return idsAlone(request.body) ? plainReportAnswer(outcomes) : reportAnswer(reports, outcomes)
  })
}

function reading(http: FastifyInstance, { tasks, who, authorize }: TaskRoutes): void {
  const list = async (request: Page, query: Omit<TaskQuery, 'limit'>): Promise<unknown> => {
    await demand(authorize, await who(request), 'tasks.read', query.queue ?? '')
    return pageAnswer(await tasks.list({ ...query, limit: request.query.limit ?? 50 }))
  }
  http.get(
    '/tasks',
    {
      schema: { tags: ['tasks'], summary: 'Tasks, by id', querystring: ListQuery, response: { 200: schemas.TaskPage } },
    },
    async (request: Page) => {
      const { user: _user, limit: _limit, ...query } = request.query
      return list(request, query)
    },
  )
  http.get(
    '/tasks/dead',
    {
      schema: {
        ...{ tags: ['tasks'], summary: 'Dead letters, by queue and id' },
        ...{ querystring: DeadQuery, response: { 200: schemas.TaskPage } },
      },
    },
    async (request: Page) => {
      const { user: _user, limit: _limit, ...query } = request.query
      return list(request, { ...query, state: 'dead' })
    },
  )
  http.get(
    '/tasks/:id',
    {
      schema: {
        ...{ tags: ['tasks'], summary: 'A task and its attempts' },
        ...{ params: OneTask, querystring: Caller, response: { 200: schemas.Task } },
      },
    },
    async (request: One) => {
      await demand(authorize, await who(request), 'tasks.read', request.params.id)
      return taskAnswer(await tasks.get(idOf(request)))
    },
  )
  http.get(
    '/queues',
    {
      schema: {
        ...{ tags: ['tasks'], summary: 'All queues: what waits, runs, is done and dead, and who works' },
        ...{
          querystring: Caller,
          response: { 200: Type.Object({ queues: Type.Array(schemas.QueueInfo), next: Type.Null() }) },
        },
      },
    },
    async (request, reply) => {
      await demand(authorize, await who(request), 'tasks.read', '')
      return reply.send({ queues: tasks.queues().map(queueAnswer), next: null })
    },
  )
}

/** For workers that need more time, or have something to tell. */
function leases(http: FastifyInstance, { tasks, who, authorize }: TaskRoutes): void {
  http.post(
    '/tasks/:id/extend',
    {
      schema: {
        ...{ tags: ['tasks'], summary: 'Give a lease more time', params: OneTask, body: Extend },
        response: { 200: Type.Object({ until: Type.String() }) },
      },
    },
    async (request: FastifyRequest<{ Params: { id: string }; Body: Static<typeof Extend> }>) => {
      await demand(authorize, await who(request), 'tasks.report', request.params.id)
      const { token, lease } = request.body
      return { until: new Date(await tasks.extend(idOf(request), token, lease)).toISOString() }
    },
  )
  http.post(
    '/tasks/:id/progress',
    { schema: { tags: ['tasks'], summary: 'Keep a word on a task', params: OneTask, body: Progress } },
    async (request: FastifyRequest<{ Params: { id: string }; Body: Static<typeof Progress> }>, reply) => {
      await demand(authorize, await who(request), 'tasks.report', request.params.id)
      const { token, progress } = request.body
      await tasks.progress(idOf(request), token, progress)
      return reply.code(204).send()
    },
  )
}

function pageAnswer({ tasks, next }: TaskPage): object {
  return { tasks: tasks.map(taskAnswer), next: next ?? null }
}

/** The task that a path names; what cannot be one is not found. @throws NitkaError `not-found` */
export function idOf({ params }: { readonly params: { readonly id: string } }): string {
  if (isId(params.id)) return params.id
  throw new NitkaError('not-found', `there is no task ${params.id.slice(0, 40)}`, { field: 'id' })
}

// The calls of tasks.*

import Type from 'typebox'
import { limits } from '../limits.ts'
import { type Call, Empty, strict } from './call.ts'
import {
  AddedTask,
  DoneItem,
  FailedItem,
  LeaseMs,
  QueueInfo,
  QueueName,
  QueueSettings,
  Reported,
  Settings,
  Task,
  TaskId,
  TaskInput,
  TaskPage,
  TaskState,
  Token,
} from './tasks.ts'
import { Limit, Time } from './values.ts'

export const taskCalls = {
  'tasks.work': {
    doc: 'Takes tasks of a queue with this connection, as `tasks.batch`: up to `batch` at once, the next when the last ones are settled.',
    params: Type.Object(
      { queue: Type.Optional(QueueName), batch: Type.Integer({ minimum: 1, maximum: limits.tasksMax }) },
      strict,
    ),
    result: Type.Object({ worker: Type.String(), queue: QueueName, batch: Type.Integer() }),
  },
  'tasks.stop': {
    doc: 'Takes no more of a queue. Leases run on, and can be reported.',
    params: Type.Object({ queue: Type.Optional(QueueName) }, strict),
    result: Empty,
  },
  'tasks.report': {
    doc: 'Settles or fails tasks; answered when that is durable. Repeating it is fine. With tokens it is fenced: a newer attempt is left alone.',
    params: Type.Object(
      {
        done: Type.Optional(Type.Array(DoneItem, { maxItems: limits.tasksMax })),
        failed: Type.Optional(Type.Array(FailedItem, { maxItems: limits.tasksMax })),
      },
      { ...strict, minProperties: 1 },
    ),
    result: Reported,
  },
  'tasks.extend': {
    doc: 'Gives a lease its length, or another one, from now on.',
    params: Type.Object({ id: TaskId, token: Token, lease: Type.Optional(LeaseMs) }, strict),
    result: Type.Object({ until: Time }),
  },
  'tasks.progress': {
    doc: 'Keeps a word on the task, and tells whoever is in its room as `rooms.progress`.',
    params: Type.Object({ id: TaskId, token: Token, progress: Type.Unknown() }, strict),
    result: Empty,
  },
  'tasks.add': {
    doc: 'Adds tasks, all or none; answered when they are durable.',
    params: Type.Object({ tasks: Type.Array(TaskInput, { minItems: 1, maxItems: limits.tasksMax }) }, strict),
    result: Type.Object({ tasks: Type.Array(AddedTask) }),
  },
  'tasks.get': { doc: 'A task and its attempts.', params: Type.Object({ id: TaskId }, strict), result: Task },
  'tasks.list': {
    doc: 'Tasks, by id.',
    params: Type.Object(
      {
        queue: Type.Optional(QueueName),
        state: Type.Optional(TaskState),
        after: Type.Optional(Type.String({ maxLength: 200 })),
        limit: Type.Optional(Limit),
      },
      strict,
    ),
    result: TaskPage,
  },
  'tasks.dead': {
    doc: 'Dead letters, by queue and id.',
    params: Type.Object(
      {
        queue: Type.Optional(QueueName),
        after: Type.Optional(Type.String({ maxLength: 200 })),
        limit: Type.Optional(Limit),
      },
      strict,
    ),
    result: TaskPage,
  },
  'tasks.retry': {
    doc: 'Makes a dead letter ready again, with fresh attempts.',
    params: Type.Object({ id: TaskId }, strict),
    result: Task,
  },
  'tasks.drop': { doc: 'Removes a dead letter.', params: Type.Object({ id: TaskId }, strict), result: Empty },
  'tasks.bury': {
    doc: 'Makes a task a dead letter, whatever its state.',
    params: Type.Object({ id: TaskId, reason: Type.Optional(Type.String({ maxLength: limits.reasonMax })) }, strict),
    result: Task,
  },
  'tasks.queues': {
    doc: 'All queues: how much waits, runs, is done and dead, and who works.',
    params: Empty,
    result: Type.Object({ queues: Type.Array(QueueInfo) }),
  },
  'tasks.configure': {
    doc: 'Pauses a queue, or sets the rules of its groups.',
    params: Type.Object({ queue: QueueName, settings: QueueSettings }, strict),
    result: Settings,
  },
} as const satisfies Record<string, Call>

// The values of tasks: what is added, reported and answered, over HTTP and rpc alike.

import Type from 'typebox'
import { limits } from '../limits.ts'
import { MessageId, RoomId, Time } from './values.ts'

const strict = { additionalProperties: false } as const
const day = 24 * 60 * 60 * 1_000

export const QueueName = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,128}$',
  description: 'A queue; `default` when absent.',
})

export const TaskId = Type.String({ ...MessageId, description: 'An xid: 20 characters, sortable by time.' })

export const TaskState = Type.Union([
  Type.Literal('ready'),
  Type.Literal('delayed'),
  Type.Literal('leased'),
  Type.Literal('done'),
  Type.Literal('dead'),
])

const Name = Type.String({ minLength: 1, maxLength: limits.nameBytes })
const Milliseconds = Type.Integer({ minimum: 0, maximum: day })

export const LeaseMs = Type.Integer({
  minimum: 100,
  maximum: 60 * 60 * 1_000,
  description: 'How long a worker has, in milliseconds.',
})

export const Backoff = Type.Object(
  {
    kind: Type.Union([Type.Literal('fixed'), Type.Literal('exponential')]),
    ms: Milliseconds,
    maxMs: Type.Optional(Milliseconds),
  },
  {
    ...strict,
    description:
      'How long a failed task waits: `ms`, doubled with every further failure when exponential (and up to half more, by chance), at most `maxMs`.',
  },
)

export const TaskInput = Type.Object(
  {
    payload: Type.Object(
      {},
      { description: 'Any object, at most 64 KiB; not with the keys Id, Attempt, Token and Deadline.' },
    ),
    queue: Type.Optional(QueueName),
    priority: Type.Optional(
      Type.Integer({ minimum: -1_000, maximum: 1_000, description: 'Higher first; equal ones in order of arrival.' }),
    ),
    delay: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 30 * day, description: 'Milliseconds until it may be worked on.' }),
    ),
    key: Type.Optional(
      Type.String({
        ...Name,
        description: 'A repeat with the same key within 24 hours adds nothing and names the first.',
      }),
    ),
    group: Type.Optional(
      Type.String({ ...Name, description: 'Groups of a queue are served round robin, each within its concurrency.' }),
    ),
    maxAttempts: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100, description: 'Failed attempts after which it is a dead letter.' }),
    ),
    lease: Type.Optional(LeaseMs),
    backoff: Type.Optional(Type.Union([Milliseconds, Backoff], { description: 'A number is a fixed wait.' })),
    room: Type.Optional(Type.String({ ...RoomId, description: 'Whoever is in this room hears of progress.' })),
  },
  strict,
)

export const AddedTask = Type.Object({
  id: TaskId,
  queue: QueueName,
  repeated: Type.Boolean({ description: 'True: the key was used before; nothing new was added.' }),
})

export const Attempt = Type.Object({
  number: Type.Integer(),
  worker: Type.String(),
  started: Time,
  ended: Type.Optional(Time),
  outcome: Type.Optional(
    Type.Union([
      Type.Literal('done'),
      Type.Literal('failed'),
      Type.Literal('expired'),
      Type.Literal('released'),
      Type.Literal('buried'),
      Type.Literal('stale'),
    ]),
  ),
  reason: Type.Optional(Type.String()),
})

export const Task = Type.Object({
  id: TaskId,
  queue: QueueName,
  state: TaskState,
  payload: Type.Object({}),
  priority: Type.Integer(),
  time: Time,
  attempt: Type.Integer({ description: 'The number of the last attempt, 0 before the first.' }),
  failures: Type.Integer({ description: 'Failed attempts since it was added or retried.' }),
  maxAttempts: Type.Integer(),
  lease: Type.Integer(),
  backoff: Backoff,
  key: Type.Optional(Type.String()),
  group: Type.Optional(Type.String()),
  room: Type.Optional(Type.String()),
  until: Type.Optional(Time),
  progress: Type.Optional(Type.Unknown()),
  attempts: Type.Array(Attempt),
})

export const TaskPage = Type.Object({
  tasks: Type.Array(Task),
  next: Type.Union([Type.String(), Type.Null()], { description: 'Pass it as `after`. null: no more.' }),
})

/** What a worker is given. */
export const LeasedTask = Type.Object({
  id: TaskId,
  payload: Type.Object({}),
  attempt: Type.Integer(),
  token: Type.String({ description: 'Names this attempt. A report that carries it is fenced.' }),
  deadline: Time,
  lease: Type.Integer(),
})

export const Token = Type.String({ minLength: 1, maxLength: 64 })

/** Any text: what no task has for an id is answered as unknown, and costs the rest of the report nothing. */
const ReportedId = Type.String({ minLength: 1, maxLength: limits.nameBytes, description: 'The id of a task.' })

const reportFields = { id: ReportedId, token: Type.Optional(Token) }

export const DoneItem = Type.Union([ReportedId, Type.Object(reportFields, strict)])

export const FailedItem = Type.Union([
  ReportedId,
  Type.Object({ ...reportFields, reason: Type.Optional(Type.String({ maxLength: limits.reasonMax })) }, strict),
])

export const Report = Type.Object(
  {
    done: Type.Optional(Type.Array(DoneItem, { maxItems: limits.reportsMax })),
    failed: Type.Optional(Type.Array(FailedItem, { maxItems: limits.reportsMax })),
  },
  { ...strict, minProperties: 1 },
)

/** An attempt that is done: a token fences it. */
const ReportedAttempt = Type.Object({ id: ReportedId, token: Token }, strict)

export const PlainReport = Type.Array(Type.Union([ReportedId, ReportedAttempt]), {
  maxItems: limits.reportsMax,
  description: 'Ids of tasks that are done, or with their tokens, or the tasks as they came: `Id` and `Token` count.',
})

const Count = Type.Optional(Type.Integer())

export const Reported = Type.Object({
  done: Type.Integer({ description: 'Done now or before.' }),
  unknown: Type.Integer(),
  already: Count,
  failed: Count,
  dead: Count,
  stale: Count,
  outcomes: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: 'By id, of those that are not plainly done.' }),
  ),
})

export const QueueSettings = Type.Object(
  {
    paused: Type.Optional(Type.Boolean({ description: 'True: nothing is handed out.' })),
    groupConcurrency: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'Leases of a group at one time. 0: no limit.' }),
    ),
    ordered: Type.Optional(
      Type.Boolean({ description: 'True: a group strictly one after the other, retries included.' }),
    ),
  },
  { ...strict, minProperties: 1 },
)

export const Settings = Type.Required(Type.Object({ ...QueueSettings.properties }))

export const QueueInfo = Type.Object({
  queue: QueueName,
  ready: Type.Integer(),
  delayed: Type.Integer(),
  leased: Type.Integer(),
  dead: Type.Integer(),
  done: Type.Integer({ description: 'Settled since the queue was made.' }),
  donePerMinute: Type.Integer({ description: 'Settled in the last minute, of a cluster by the node that is asked.' }),
  oldestReady: Type.Optional(Time),
  paused: Type.Boolean(),
  groupConcurrency: Type.Integer(),
  ordered: Type.Boolean(),
  workers: Type.Integer({ description: 'Connected to this node.' }),
  free: Type.Integer({ description: 'Of those, without an unsettled task.' }),
})

// Bodies, queries and answers of the HTTP endpoints.

import Type from 'typebox'
import { limits } from '../limits.ts'
import { AddedTask, QueueName, TaskInput } from './tasks.ts'
import {
  ClientId,
  DirectMessage,
  Limit,
  Member,
  Next,
  Offset,
  Payload,
  Room,
  RoomEntry,
  RoomId,
  Sent,
  UserId,
  UserName,
} from './values.ts'

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; see the table of errors.' }),
    detail: Type.String({ description: 'What was wrong and what is allowed.' }),
    field: Type.Optional(Type.String({ description: 'Which field.' })),
  },
  { description: 'A problem document (RFC 9457).' },
)

export const Caller = Type.Object({
  user: Type.Optional(Type.String({ description: 'Who calls, in `open` mode.' })),
})

export const TicketWish = Type.Object(
  {
    purpose: Type.Optional(
      Type.String({ maxLength: 512, description: 'The path of the connection that it is for. Absent: any.' }),
    ),
  },
  { additionalProperties: false },
)
export const Ticket = Type.Object({ ticket: Type.String(), expires: Type.String() })

export const Page = Type.Object({
  ...Caller.properties,
  before: Type.Optional(Offset),
  after: Type.Optional(Offset),
  limit: Type.Optional(Limit),
})

export const HistoryQuery = Type.Object({
  ...Page.properties,
  with: Type.Optional(UserName),
  kind: Type.Optional(Type.Union([Type.Literal('user'), Type.Literal('system')])),
})

export const TaskStream = Type.Object({
  ...Caller.properties,
  batchsize: Type.Integer({ minimum: 1, maximum: limits.tasksMax, description: 'Tasks at one time.' }),
  queue: Type.Optional(QueueName),
})

export const DirectPage = Type.Object({ messages: Type.Array(DirectMessage), next: Next })
export const RoomPage = Type.Object({ messages: Type.Array(RoomEntry), next: Next })

export const RoomParams = Type.Object({ room: RoomId })
export const MemberParams = Type.Object({ room: RoomId, user: UserName })

export const CreateRoom = Type.Object({
  name: Type.String(),
  open: Type.Optional(Type.Boolean()),
  id: Type.Optional(RoomId),
})
export const AddMember = Type.Object({ user: UserId })
export const SendToRoom = Type.Object({ message: Payload, clientId: Type.Optional(ClientId) })

export const NamePage = Type.Object({
  ...Caller.properties,
  after: Type.Optional(UserName),
  limit: Type.Optional(Limit),
})
export const Rooms = Type.Object({ rooms: Type.Array(Room), next: Type.Union([RoomId, Type.Null()]) })
export const Members = Type.Object({ members: Type.Array(Member), next: Type.Union([UserName, Type.Null()]) })
export const Presence = Type.Object({ presence: Type.Array(UserName), next: Type.Null() })

export const SendUser = Type.Object({ fromUser: UserId, toUser: UserId, message: Payload, id: Type.Optional(ClientId) })
export const SendSystem = Type.Object({
  toUser: UserId,
  message: Payload,
  data: Type.Optional(Payload),
  id: Type.Optional(ClientId),
})
export const SendRoom = Type.Object({
  room: RoomId,
  from: UserName,
  message: Payload,
  clientId: Type.Optional(ClientId),
})

export const BatchOperation = Type.Union([
  Type.Object({ user: SendUser }, { additionalProperties: false }),
  Type.Object({ system: SendSystem }, { additionalProperties: false }),
  Type.Object({ room: SendRoom }, { additionalProperties: false }),
  Type.Object({ task: TaskInput }, { additionalProperties: false }),
])

export const Batch = Type.Object(
  { operations: Type.Array(BatchOperation, { minItems: 1, maxItems: limits.batchMax }) },
  { description: 'Happen all, in this order, or not at all.' },
)

export const BatchResult = Type.Object({ results: Type.Array(Type.Union([Sent, AddedTask])) })

// The calls and notifications of the rpc dialect: JSON-RPC 2.0, named `<service>.<verb>`.

import Type, { type TSchema } from 'typebox'
import { type Call, Empty, strict } from './call.ts'
import { RequestType } from './pools.ts'
import { requestCalls } from './request-calls.ts'
import { taskCalls } from './task-calls.ts'
import { LeasedTask, QueueName, TaskId, Token } from './tasks.ts'
import {
  ChannelName,
  ClientId,
  DirectMessage,
  Limit,
  Marker,
  Member,
  MessageId,
  Next,
  Offset,
  Payload,
  Position,
  Room,
  RoomEntry,
  RoomId,
  recoveryFields,
  Sent,
  Trace,
  UserId,
  UserName,
} from './values.ts'

const InRoom = Type.Object({ room: RoomId }, strict)

export const calls = {
  'session.hello': {
    doc: 'Says who is there, and learns what the server promises. Needed first only when the upgrade named no user; later a newer token of the same user lengthens the connection.',
    params: Type.Object(
      {
        token: Type.Optional(Type.String({ maxLength: 8192 })),
        version: Type.Optional(Type.Integer({ minimum: 1 })),
        device: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
      },
      strict,
    ),
    result: Type.Object({
      session: Type.String(),
      user: UserName,
      version: Type.Integer(),
      node: Type.String(),
      durability: Type.String({
        description: '`disk`: a confirmed message is synced. `relaxed`: it may be lost with the machine.',
      }),
      pingMs: Type.Integer(),
      payloadBytesMax: Type.Integer(),
      callBytesMax: Type.Integer({
        description: 'Of a whole call. A larger one ends the connection: nobody can say which call it was.',
      }),
      expires: Type.Optional(
        Type.String({ description: 'When the token ends, and the connection with it, unless a newer one is given.' }),
      ),
      expiresInMs: Type.Optional(
        Type.Integer({ minimum: 0, description: 'Until then, in milliseconds, for those whose clock differs.' }),
      ),
    }),
  },
  'session.ping': { doc: 'Answers.', params: Empty, result: Type.Object({ time: Type.String() }) },
  'session.trace': {
    doc: 'What became of a message that the caller sent, received or may read in a room.',
    params: Type.Object({ id: MessageId, room: Type.Optional(RoomId) }, strict),
    result: Trace,
  },
  'relay.join': {
    doc: 'Gets what others publish in a channel from now on, as `relay.message`.',
    params: Type.Object({ channel: ChannelName }, strict),
    result: Type.Object({ channel: ChannelName }),
  },
  'relay.leave': { doc: 'Ends that.', params: Type.Object({ channel: ChannelName }, strict), result: Empty },
  'relay.publish': {
    doc: 'Sends to all others in the channel; at most once, not stored. A notification (without id) costs no answer.',
    params: Type.Object({ channel: ChannelName, message: Payload }, strict),
    result: Empty,
  },
  'direct.send': {
    doc: 'Sends to a user. Answered when it is on disk.',
    params: Type.Object({ to: UserId, message: Payload, clientId: Type.Optional(ClientId) }, strict),
    result: Sent,
  },
  'direct.resume': {
    doc: "Follows one's own log: what came and what one sent from any device, from a position on, as `direct.message`.",
    params: Type.Object(
      {
        since: Type.Optional(Position),
        pending: Type.Optional(
          Type.Boolean({
            description:
              'True: from what this device has confirmed by `direct.ack`, as the server remembers it, instead of `since`. Then only what is confirmed counts as delivered.',
          }),
        ),
        confirms: Type.Optional(
          Type.Boolean({
            description:
              'True: with `since`, too, only what is confirmed counts as delivered. Absent: what the socket took, unless the device has ever confirmed.',
          }),
        ),
      },
      strict,
    ),
    result: Type.Object({
      ...recoveryFields,
      ...Marker.properties,
      from: Type.Optional(
        Type.Integer({ minimum: 0, description: 'With `pending`: everything after this offset follows.' }),
      ),
      messages: Type.Array(DirectMessage),
    }),
  },
  'direct.ack': {
    doc: 'This device has everything up to the offset.',
    params: Type.Object({ offset: Offset }, strict),
    result: Empty,
  },
  'direct.read': {
    doc: "The user has read everything up to the offset; the user's other connections hear of it.",
    params: Type.Object({ offset: Offset }, strict),
    result: Marker,
  },
  'direct.history': {
    doc: "A page of one's own messages, oldest first; without bounds the newest.",
    params: Type.Object(
      {
        with: Type.Optional(UserId),
        kind: Type.Optional(Type.Union([Type.Literal('user'), Type.Literal('system')])),
        before: Type.Optional(Offset),
        after: Type.Optional(Offset),
        limit: Type.Optional(Limit),
      },
      strict,
    ),
    result: Type.Object({ messages: Type.Array(DirectMessage), next: Next }),
  },
  'rooms.create': {
    doc: 'Creates a room; the caller is its first member. An `open` room is joined by whoever comes.',
    params: Type.Object(
      { name: Type.String(), open: Type.Optional(Type.Boolean()), id: Type.Optional(RoomId) },
      strict,
    ),
    result: Room,
  },
  'rooms.list': {
    doc: "The caller's rooms, by id.",
    params: Type.Object({ after: Type.Optional(RoomId), limit: Type.Optional(Limit) }, strict),
    result: Type.Object({ rooms: Type.Array(Room), next: Type.Union([RoomId, Type.Null()]) }),
  },
  'rooms.join': {
    doc: 'Joins with this connection: answers what was missed since a position, who is there and where the room stands; what comes follows as `rooms.message`, without a gap.',
    params: Type.Object({ room: RoomId, since: Type.Optional(Position) }, strict),
    result: Type.Object({
      ...recoveryFields,
      ...Marker.properties,
      room: Room,
      entries: Type.Array(RoomEntry),
      members: Type.Array(UserName, { description: 'The first 500 by name; `rooms.members` has them all.' }),
      presence: Type.Array(UserName),
    }),
  },
  'rooms.leave': { doc: 'Leaves with this connection; the membership stays.', params: InRoom, result: Empty },
  'rooms.send': {
    doc: 'Sends to the room. Answered when it is on disk.',
    params: Type.Object({ room: RoomId, message: Payload, clientId: Type.Optional(ClientId) }, strict),
    result: Sent,
  },
  'rooms.history': {
    doc: 'A page of the room, oldest first; without bounds the newest.',
    params: Type.Object(
      { room: RoomId, before: Type.Optional(Offset), after: Type.Optional(Offset), limit: Type.Optional(Limit) },
      strict,
    ),
    result: Type.Object({ messages: Type.Array(RoomEntry), next: Next }),
  },
  'rooms.read': {
    doc: "The caller has read everything up to the offset; the user's other connections hear of it as `rooms.read`.",
    params: Type.Object({ room: RoomId, offset: Offset }, strict),
    result: Marker,
  },
  'rooms.signal': {
    doc: 'Tells those who are in the room something that is not stored, such as typing.',
    params: Type.Object({ room: RoomId, signal: Payload }, strict),
    result: Empty,
  },
  'rooms.members': {
    doc: 'The members, by name.',
    params: Type.Object({ room: RoomId, after: Type.Optional(UserName), limit: Type.Optional(Limit) }, strict),
    result: Type.Object({ members: Type.Array(Member), next: Type.Union([UserName, Type.Null()]) }),
  },
  'rooms.add': {
    doc: 'Makes a user a member.',
    params: Type.Object({ room: RoomId, user: UserName }, strict),
    result: Type.Object({ added: Type.Boolean() }),
  },
  'rooms.remove': {
    doc: "Ends a membership: one's own, or for the creator anybody's.",
    params: Type.Object({ room: RoomId, user: UserName }, strict),
    result: Type.Object({ removed: Type.Boolean() }),
  },
  'rooms.presence': {
    doc: 'Who is in the room now.',
    params: InRoom,
    result: Type.Object({ presence: Type.Array(UserName) }),
  },
  ...taskCalls,
  ...requestCalls,
} as const satisfies Record<string, Call>

export type CallName = keyof typeof calls

export const notifications = {
  'session.drain': {
    doc: 'The server stops: come back elsewhere after that many milliseconds.',
    params: Type.Object({ after: Type.Integer({ minimum: 0 }) }),
  },
  'relay.message': {
    doc: 'A message of a channel. `binary`: the message is base64.',
    params: Type.Object({ channel: ChannelName, message: Payload, binary: Type.Optional(Type.Literal(true)) }),
  },
  'direct.message': { doc: "An entry of one's own log, in order.", params: DirectMessage },
  'direct.read': { doc: 'The read marker moved, on some device.', params: Marker },
  'rooms.message': { doc: 'An entry of a joined room, in order.', params: RoomEntry },
  'rooms.presence': {
    doc: 'Somebody came into a joined room, or went.',
    params: Type.Object({ room: RoomId, user: UserName, online: Type.Boolean() }),
  },
  'rooms.signal': {
    doc: 'What somebody told a joined room.',
    params: Type.Object({ room: RoomId, from: UserName, signal: Payload }),
  },
  'rooms.read': {
    doc: "Somebody's read marker moved: in a joined room anybody's, in other rooms one's own.",
    params: Type.Object({ room: RoomId, user: UserName, offset: Offset, unread: Type.Optional(Type.Integer()) }),
  },
  'rooms.removed': {
    doc: 'A membership ended.',
    params: Type.Object({ room: RoomId, user: UserName }),
  },
  'rooms.progress': {
    doc: 'A worker told of progress on a task that names a joined room.',
    params: Type.Object({ room: RoomId, task: TaskId, progress: Type.Unknown() }),
  },
  'tasks.batch': {
    doc: 'The next tasks for this connection. All of them are leased until their deadline.',
    params: Type.Object({ queue: QueueName, tasks: Type.Array(LeasedTask) }),
  },
  'tasks.lost': {
    doc: 'A lease of this connection ended without its report: it is to stop working on the task.',
    params: Type.Object({
      id: TaskId,
      queue: QueueName,
      attempt: Type.Integer(),
      token: Token,
      because: Type.Union([
        Type.Literal('expired'),
        Type.Literal('done'),
        Type.Literal('failed'),
        Type.Literal('released'),
        Type.Literal('buried'),
      ]),
    }),
  },
  'requests.execute': {
    doc: 'A request for this connection to answer with `requests.result`.',
    params: Type.Object({
      id: Type.Integer(),
      type: RequestType,
      payload: Type.Optional(Type.Unknown()),
      user: Type.String({ description: 'Who asks; empty for nobody in particular.' }),
    }),
  },
  'requests.cancel': {
    doc: 'The time of a request is over: nobody hears its answer any more.',
    params: Type.Object({ id: Type.Integer(), type: RequestType }),
  },
  'session.missing': {
    doc: 'Entries of a followed log that can never be served: the store lost or spoiled them.',
    params: Type.Object({
      log: Type.String(),
      missing: Type.Array(Type.Object({ from: Offset, to: Offset, reason: Type.String() })),
    }),
  },
} as const satisfies Record<string, { doc: string; params: TSchema }>

export type NotificationName = keyof typeof notifications

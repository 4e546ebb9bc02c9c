// The values that messages and calls are made of. One source for validation, types and the API documents.

import Type from 'typebox'
import { limits } from '../limits.ts'

export const UserId = Type.Union([Type.String({ minLength: 1, maxLength: limits.nameBytes }), Type.Integer()], {
  description: 'A user. 7 and "7" are the same user; the form is kept. At most 128 bytes, no control characters.',
})

export const UserName = Type.String({ minLength: 1, maxLength: limits.nameBytes, description: 'A user, as text.' })

export const RoomId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$', description: 'A room.' })

export const ChannelName = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$', description: 'A relay channel.' })

export const MessageId = Type.String({
  pattern: '^[0-9a-v]{20}$',
  description: 'Given by the server; 20 characters, sortable by time.',
})

export const ClientId = Type.String({
  minLength: 1,
  maxLength: limits.clientIdBytes,
  description: 'Chosen by the sender: a repeat with the same id within 24 hours is answered as the first time.',
})

export const Offset = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'A place in a log, from 1; 0 is before all.',
})

export const Limit = Type.Integer({
  minimum: 1,
  maximum: limits.pageMax,
  description: 'Entries in a page; 50 when absent.',
})

export const Time = Type.String({ format: 'date-time', description: 'RFC 3339, UTC, milliseconds.' })

export const Payload = Type.Unknown({ description: 'Any JSON value but null and the empty string; at most 64 KiB.' })

export const Position = Type.Object(
  {
    epoch: Type.Optional(Type.String({ maxLength: 64 })),
    offset: Offset,
    id: Type.Optional(Type.String({ maxLength: 20 })),
  },
  { description: 'What the client has seen: the last offset, the id of that entry, and the epoch that it was told.' },
)

export const Missing = Type.Object({
  from: Offset,
  to: Offset,
  reason: Type.Union([
    Type.Literal('trimmed'),
    Type.Literal('damaged'),
    Type.Literal('history-changed'),
    Type.Literal('never-joined'),
  ]),
})

export const recoveryFields = {
  recovered: Type.Boolean({ description: 'True: everything after `since` follows, here or as notifications.' }),
  reason: Type.Optional(Missing.properties.reason),
  missing: Type.Optional(Type.Array(Missing, { description: 'Exactly what will not follow, and why.' })),
  epoch: Type.String(),
  head: Offset,
  headId: Type.String({ description: 'The id of the entry at `head`, empty when there is none.' }),
  first: Offset,
}

export const RoomEntry = Type.Object(
  {
    offset: Offset,
    id: MessageId,
    room: RoomId,
    from: Type.String({ maxLength: limits.nameBytes, description: 'A user; empty when the application sent it.' }),
    message: Payload,
    time: Time,
    clientId: Type.Optional(ClientId),
  },
  { description: 'An entry of a room.' },
)

export const UserMessage = Type.Object(
  { fromUser: UserId, toUser: UserId, message: Payload, id: MessageId, time: Time, offset: Offset },
  { description: 'A message from a user to a user; `offset` is its place in the log of the user who reads it.' },
)

export const SystemMessage = Type.Object(
  {
    system: Type.Literal(true),
    toUser: UserId,
    message: Payload,
    data: Type.Optional(Payload),
    id: MessageId,
    time: Time,
    offset: Offset,
  },
  { description: 'A message from the application to a user.' },
)

export const DirectMessage = Type.Union([UserMessage, SystemMessage])

export const Room = Type.Object({
  id: RoomId,
  name: Type.String(),
  open: Type.Boolean(),
  creator: UserName,
  time: Time,
})

export const Member = Type.Object({ user: UserName, time: Time })

export const Sent = Type.Object(
  {
    id: MessageId,
    offset: Type.Integer({ minimum: 1 }),
    time: Time,
    repeated: Type.Boolean({ description: 'True: stored before under this client id; nothing new was stored.' }),
    sentOffset: Type.Optional(Type.Integer({ minimum: 1, description: "In the sender's own log." })),
  },
  { description: 'Where a message was stored. It is on disk.' },
)

export const Next = Type.Union([Offset, Type.Null()], {
  description: 'Where the next page begins: pass it as `after` (or as `before`, when you page back). null: no more.',
})

export const Marker = Type.Object({
  read: Type.Integer({ minimum: 0, description: 'The read marker.' }),
  unread: Type.Integer({ minimum: 0, description: 'Messages behind it.' }),
})

export const Trace = Type.Object(
  {
    id: MessageId,
    stored: Type.Union([
      Type.Object({ log: Type.String(), offset: Offset, time: Time, from: Type.String() }),
      Type.Null(),
    ]),
    written: Type.Array(Type.Object({ device: Type.String(), time: Time }), {
      description: 'Devices whose connection took it; time: when their cursor last moved.',
    }),
    confirmed: Type.Array(Type.Object({ device: Type.String(), time: Time })),
    read: Type.Array(Type.Object({ user: Type.String(), time: Time })),
  },
  { description: 'What became of a message.' },
)

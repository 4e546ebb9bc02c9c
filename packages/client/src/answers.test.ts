// The client's own types against the server's schemas. `npm run types` fails when they drift; nothing runs here but a
// count.

import assert from 'node:assert/strict'
import test from 'node:test'
import type { calls, notifications } from '@nitka/protocol/schemas'
import type { Static, TSchema } from 'typebox'
import type {
  AddedTask,
  Backoff,
  Booking,
  DirectMessage,
  HoldAnswer,
  InboxJoined,
  LeasedTask,
  Marker,
  Member,
  Page,
  PageQuery,
  PoolInfo,
  PoolStatus,
  QueueInfo,
  RoomInfo,
  RoomJoined,
  RoomMessage,
  Sent,
  TaskAttempt,
  TaskInfo,
  TaskInput,
  TaskState,
} from './answers.ts'
import type { DirectQuery } from './direct.ts'
import type { InboxEvents } from './inbox.ts'
import type { Because } from './leased.ts'
import type { Hello } from './line-terms.ts'
import type { RoomEvents } from './room.ts'
import type { QueueSettings, TaskPage, TaskQuery } from './tasks.ts'

type Calls = typeof calls
type Result<Name extends keyof Calls> = Calls[Name]['result'] extends infer Schema extends TSchema
  ? Static<Schema>
  : never
type Params<Name extends keyof Calls> = Calls[Name]['params'] extends infer Schema extends TSchema
  ? Static<Schema>
  : never
type Told<Name extends keyof typeof notifications> = (typeof notifications)[Name]['params'] extends infer Schema extends
  TSchema
  ? Static<Schema>
  : never

/** What the schema lets through is of the handwritten type, and the handwritten type names no field that it does not. */
type Holds<Schema, Own> = [Schema] extends [never]
  ? { readonly schemaGives: never }
  : [Schema] extends [Own]
    ? Exclude<Fields<Own>, Fields<Schema>> extends never
      ? true
      : { readonly notInTheSchema: Exclude<Fields<Own>, Fields<Schema>> }
    : { readonly schemaGives: Schema; readonly typeSays: Own }

/** What a union has in any of its members. */
type Fields<Value> = Value extends readonly unknown[] ? never : Value extends object ? keyof Value : never

/** What the client sends is taken by the schema. */
type Takes<Schema, Own> = [Own] extends [Mutable<Schema>] ? true : { readonly schemaTakes: Schema; readonly sent: Own }

/** Read-only lists are sent as well as others. */
type Mutable<Value> = Value extends readonly (infer Item)[]
  ? readonly Mutable<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: Mutable<Value[Key]> | (undefined extends Value[Key] ? undefined : never) }
    : Value

const results: {
  readonly hello: Holds<Result<'session.hello'>, Hello>
  readonly sent: Holds<Result<'rooms.send'>, Sent>
  readonly directSent: Holds<Result<'direct.send'>, Sent>
  readonly resumed: Holds<Result<'direct.resume'>, InboxJoined<unknown>>
  readonly joined: Holds<Result<'rooms.join'> & { from?: number }, RoomJoined<unknown>>
  readonly roomPage: Holds<Result<'rooms.history'>, Page<RoomMessage>>
  readonly roomEntry: Holds<Result<'rooms.history'>['messages'][number], RoomMessage>
  readonly directPage: Holds<Result<'direct.history'>, Page<DirectMessage>>
  readonly directMessage: Holds<Result<'direct.history'>['messages'][number], DirectMessage>
  readonly room: Holds<Result<'rooms.create'>, RoomInfo>
  readonly rooms: Holds<Result<'rooms.list'>['rooms'][number], RoomInfo>
  readonly member: Holds<Result<'rooms.members'>['members'][number], Member>
  readonly roomRead: Holds<Result<'rooms.read'>, Marker>
  readonly directRead: Holds<Result<'direct.read'>, Marker>
  readonly added: Holds<Result<'tasks.add'>['tasks'][number], AddedTask>
  readonly task: Holds<Result<'tasks.get'>, TaskInfo>
  readonly retried: Holds<Result<'tasks.retry'>, TaskInfo>
  readonly buried: Holds<Result<'tasks.bury'>, TaskInfo>
  readonly attempt: Holds<Result<'tasks.get'>['attempts'][number], TaskAttempt>
  readonly backoff: Holds<Result<'tasks.get'>['backoff'], Backoff>
  readonly state: Holds<Result<'tasks.get'>['state'], TaskState>
  readonly tasks: Holds<Result<'tasks.list'>, TaskPage>
  readonly dead: Holds<Result<'tasks.dead'>, TaskPage>
  readonly queue: Holds<Result<'tasks.queues'>['queues'][number], QueueInfo>
  readonly settings: Holds<Result<'tasks.configure'>, Required<QueueSettings>>
  readonly hold: Holds<Result<'pools.acquire'>, HoldAnswer<unknown>>
  readonly renewed: Holds<Result<'pools.renew'>, HoldAnswer<unknown>>
  readonly pool: Holds<Result<'pools.list'>['pools'][number], PoolInfo>
  readonly status: Holds<Result<'pools.status'>, PoolStatus>
  readonly holdOfStatus: Holds<Result<'pools.status'>['holds'][number], PoolStatus['holds'][number]>
  readonly waiter: Holds<Result<'pools.status'>['waiting'][number], PoolStatus['waiting'][number]>
  readonly booked: Holds<Result<'pools.book'>, Booking>
  readonly bookings: Holds<Result<'pools.calendar'>['bookings'][number], Booking>
} = {
  ...{ hello: true, sent: true, directSent: true, resumed: true, joined: true, roomPage: true, roomEntry: true },
  ...{ directPage: true, directMessage: true, room: true, rooms: true, member: true, roomRead: true },
  ...{ directRead: true, added: true, task: true, retried: true, buried: true, attempt: true, backoff: true },
  ...{ state: true, tasks: true, dead: true, queue: true, settings: true, hold: true, renewed: true, pool: true },
  ...{ status: true, holdOfStatus: true, waiter: true, booked: true, bookings: true },
}

const told: {
  readonly room: Holds<Told<'rooms.message'>, RoomMessage>
  readonly direct: Holds<Told<'direct.message'>, DirectMessage>
  readonly directRead: Holds<Told<'direct.read'>, InboxEvents<unknown>['read']>
  readonly presence: Holds<Omit<Told<'rooms.presence'>, 'room'>, RoomEvents<unknown>['presence']>
  readonly signal: Holds<Omit<Told<'rooms.signal'>, 'room'>, RoomEvents<unknown>['signal']>
  readonly read: Holds<Omit<Told<'rooms.read'>, 'room'>, RoomEvents<unknown>['read']>
  readonly progress: Holds<Omit<Told<'rooms.progress'>, 'room'>, RoomEvents<unknown>['progress']>
  readonly removed: Holds<Omit<Told<'rooms.removed'>, 'room'>, RoomEvents<unknown>['removed']>
  readonly task: Holds<Told<'tasks.batch'>['tasks'][number], LeasedTask>
  readonly because: Holds<Told<'tasks.lost'>['because'], Because>
} = {
  ...{ room: true, direct: true, directRead: true, presence: true, signal: true, read: true, progress: true },
  ...{ removed: true, task: true, because: true },
}

const taken: {
  readonly task: Takes<Params<'tasks.add'>['tasks'][number], TaskInput>
  readonly roomHistory: Takes<Params<'rooms.history'>, PageQuery & { room: string }>
  readonly directHistory: Takes<Params<'direct.history'>, DirectQuery>
  readonly tasks: Takes<Params<'tasks.list'>, TaskQuery>
  readonly settings: Takes<Params<'tasks.configure'>['settings'], QueueSettings>
} = { task: true, roomHistory: true, directHistory: true, tasks: true, settings: true }

test("the client's types are those of the server's schemas, as the compiler has checked", () => {
  for (const held of [results, told, taken]) assert.ok(Object.values(held).every((one) => one === true))
})

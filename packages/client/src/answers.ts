// What the server answers and tells, as types. A test holds them to the server's schemas.

import type { Joined } from './follower.ts'

/** Where a message was stored: it is durable. */
export interface Sent {
  /** 20 characters, sortable by time. */
  readonly id: string
  readonly offset: number
  /** RFC 3339. */
  readonly time: string
  /** It was stored before, under the same client id. */
  readonly repeated: boolean
  /** Of a direct message: its place in the sender's own log. */
  readonly sentOffset?: number
}

/** A page, oldest first. `next`: what to pass as `after` (or `before`, when paging back); null when there are no more. */
export interface Page<Entry> {
  readonly messages: readonly Entry[]
  readonly next: number | null
}

/** Without bounds the newest. */
export interface PageQuery {
  readonly before?: number
  readonly after?: number
  /** 50 when absent, at most 500. */
  readonly limit?: number
}

/** How far one has read. */
export interface Marker {
  /** The read marker. */
  readonly read: number
  /** Messages behind it. */
  readonly unread: number
}

/** A room, without its messages. */
export interface RoomInfo {
  readonly id: string
  readonly name: string
  /** Whoever comes may join. */
  readonly open: boolean
  readonly creator: string
  readonly time: string
}

/** A user who belongs to a room. */
export interface Member {
  readonly user: string
  readonly time: string
}

/** A message of a room. */
export interface RoomMessage<Message = unknown> {
  readonly offset: number
  readonly id: string
  readonly room: string
  readonly from: string
  readonly message: Message
  readonly time: string
  readonly clientId?: string
}

/** What the server answers to a join. */
export interface RoomJoined<Message> extends Joined<RoomMessage<Message>>, Marker {
  readonly room: RoomInfo
  readonly members: readonly string[]
  readonly presence: readonly string[]
}

/** A user: `7` and `"7"` are the same; the form is kept. */
export type UserId = string | number

interface DirectBase<Message> {
  readonly toUser: UserId
  readonly message: Message
  readonly id: string
  readonly time: string
  readonly offset: number
}

/** From a user. */
export interface UserMessage<Message = unknown> extends DirectBase<Message> {
  readonly fromUser: UserId
  readonly system?: undefined
}

/** From the application. */
export interface SystemMessage<Message = unknown> extends DirectBase<Message> {
  readonly system: true
  readonly data?: unknown
  readonly fromUser?: undefined
}

/** A message to a user, from a user or from the application. */
export type DirectMessage<Message = unknown> = UserMessage<Message> | SystemMessage<Message>

/** What the server answers when an inbox is opened. */
export interface InboxJoined<Message> extends Omit<Joined<DirectMessage<Message>>, 'entries'>, Marker {
  readonly messages: readonly DirectMessage<Message>[]
}

/** Where a task is on its way. */
export type TaskState = 'ready' | 'delayed' | 'leased' | 'done' | 'dead'

/** How long a task waits after a failed attempt. */
export interface Backoff {
  readonly kind: 'fixed' | 'exponential'
  readonly ms: number
  readonly maxMs?: number
}

/** Durations are milliseconds. */
export interface TaskInput<Payload extends object = object> {
  readonly payload: Payload
  readonly queue?: string
  /** Higher first. */
  readonly priority?: number
  /** Until it may be worked on. */
  readonly delay?: number
  /** A repeat with the same key within 24 hours adds nothing. Absent: the client makes one, so that it may repeat the call. */
  readonly key?: string
  /** Groups of a queue are served round robin. */
  readonly group?: string
  readonly maxAttempts?: number
  readonly lease?: number
  /** A number is a fixed wait. */
  readonly backoff?: number | Backoff
  /** Whoever is in this room hears of progress. */
  readonly room?: string
}

/** A task that is stored. */
export interface AddedTask {
  readonly id: string
  readonly queue: string
  /** The key was used before; nothing new was added. */
  readonly repeated: boolean
}

/** One attempt at a task, and how it ended. */
export interface TaskAttempt {
  readonly number: number
  readonly worker: string
  readonly started: string
  readonly ended?: string
  readonly outcome?: 'done' | 'failed' | 'expired' | 'released' | 'buried' | 'stale'
  readonly reason?: string
}

/** A task as the server has it. */
export interface TaskInfo<Payload extends object = object> {
  readonly id: string
  readonly queue: string
  readonly state: TaskState
  readonly payload: Payload
  readonly priority: number
  readonly time: string
  readonly attempt: number
  readonly failures: number
  readonly maxAttempts: number
  readonly lease: number
  readonly backoff: Backoff
  readonly key?: string
  readonly group?: string
  readonly room?: string
  readonly until?: string
  readonly progress?: unknown
  readonly attempts: readonly TaskAttempt[]
}

/** A task that was handed to this client. */
export interface LeasedTask {
  readonly id: string
  readonly payload: object
  readonly attempt: number
  readonly token: string
  readonly deadline: string
  readonly lease: number
}

/** A queue: its settings, and how many tasks are where. */
export interface QueueInfo {
  readonly queue: string
  readonly ready: number
  readonly delayed: number
  readonly leased: number
  readonly done: number
  readonly donePerMinute: number
  readonly dead: number
  readonly workers: number
  readonly free: number
  readonly paused: boolean
}

/** Resources that one holds, as the server tells it. */
export interface HoldAnswer<Data> {
  readonly hold: string
  readonly pool: string
  readonly resources: readonly { readonly id: string; readonly data?: Data }[]
  /** Grows with every hold, across restarts too: the guarded thing should refuse smaller ones. */
  readonly token: number
  readonly until: string
  /** Until then, in milliseconds. */
  readonly leftMs: number
  /** How long the server took to answer, waiting in line included. */
  readonly waitedMs: number
  /** How long it outlives its connection when that is lost. Absent: it is not bound to one. */
  readonly graceMs?: number
}

/** A pool, in numbers. */
export interface PoolInfo {
  readonly pool: string
  readonly total: number
  readonly free: number
  readonly holding: number
  readonly waiters: number
}

/** A pool with its holds. */
export interface PoolStatus {
  readonly pool: string
  readonly total: number
  readonly free: number
  readonly holds: readonly {
    readonly hold: string
    readonly user: string
    readonly resources: readonly string[]
    readonly token: number
    readonly since: string
    readonly until: string
    readonly attached: boolean
  }[]
  readonly waiting: readonly { readonly user: string; readonly count: number; readonly waitedMs: number }[]
  readonly holding: number
  readonly waiters: number
}

/** Resources that are reserved for a time. */
export interface Booking {
  readonly booking: string
  readonly pool: string
  readonly user: string
  readonly resources: readonly string[]
  readonly from: string
  readonly to: string
  readonly note?: string
}

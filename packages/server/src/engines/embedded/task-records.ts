// What the records of tasks look like: their keys, their bytes. A task is one record that never changes and, once it was
// tried, one that says where it stands. A lease stands in the record of its claim. docs/storage.md lists them.

import type { Attempt, NewTask } from '../../tasks/task-store.ts'
import { counted, key, ordered, spaces } from './keys.ts'
import { Parts } from './values.ts'
import type { Writer } from './writer.ts'

/** A task as it was added, and its place. */
export interface StoredTask {
  readonly task: NewTask
  /** Counts the queue's tasks: the order of arrival. */
  readonly seq: number
  /** Of its priority: smaller is earlier. */
  readonly rank: number
  /** Characters of the payload, about. */
  readonly size: number
  /** The payload is left on the disk, because it is large. */
  readonly bare: boolean
}

/** Where a task stands that is in no lease. A task without one is ready and was never tried. */
export interface Status {
  readonly state: 'ready' | 'delayed' | 'done' | 'dead'
  /** Its rank among the ready: 0 puts it in front. */
  readonly rank: number
  /** Wall time at which it becomes ready. */
  readonly until?: number
  /** The number of the last attempt, 0 before the first. */
  readonly attempt: number
  /** Attempts that failed since it was added or retried. */
  readonly failures: number
  /** Of the last attempt. */
  readonly token?: string
  readonly history: readonly Attempt[]
  readonly progress?: string
}

/** A task and where it stands. */
export interface Held {
  readonly stored: StoredTask
  readonly status: Status | undefined
}

/** What is kept of one claim, until the last of its leases has ended. */
export interface ClaimRecord {
  readonly worker: string
  /** Wall time. */
  readonly started: number
  /** Wall time at which its leases began for the last time. */
  readonly begun: number
  /** How often they began anew because the store was opened. */
  readonly restarts: number
  /** Id and attempt of each task. */
  readonly leases: readonly (readonly [id: string, attempt: number])[]
}

/** What changed about a lease since its claim. */
export interface LeaseRecord {
  readonly attempt: number
  readonly leaseMs: number
  readonly progress?: string
  /** Reports of older attempts. */
  readonly notes: readonly Attempt[]
}

/** Larger payloads are not kept in memory. In bytes. */
export const payloadKept = 2_048

const rankOfZero = 1_001

/** 1 to 2,001; 0 is the front of an ordered group. */
export function rankOf(priority: number): number {
  return rankOfZero - priority
}

export function priorityOf(rank: number): number {
  return rankOfZero - rank
}

export const taskKey = (id: string): Buffer => key(spaces.task, Buffer.from(id))
export const statusKey = (id: string): Buffer => key(spaces.status, Buffer.from(id))
export const leaseKey = (id: string): Buffer => key(spaces.lease, Buffer.from(id))
export const claimKey = (number: number): Buffer => key(spaces.claim, ordered(number))
export const queueKey = (queue: string): Buffer => key(spaces.queue, Buffer.from(queue))
export const lanePrefix = (space: Buffer, queue: string): Buffer => key(space, counted(Buffer.from(queue)))
export const laneKey = (queue: string, lane: string): Buffer => key(lanePrefix(spaces.lane, queue), Buffer.from(lane))
export const readyPrefix = (queue: string, lane: string): Buffer =>
  key(lanePrefix(spaces.ready, queue), counted(Buffer.from(lane)))
export const delayedPrefix = (queue: string): Buffer => lanePrefix(spaces.delayed, queue)
export const deadKey = (queue: string, id: string): Buffer => key(lanePrefix(spaces.dead, queue), Buffer.from(id))
export const onceKey = (queue: string, once: string): Buffer => key(lanePrefix(spaces.once, queue), Buffer.from(once))

/** The task without its payload when that is large. */
export function slim(stored: StoredTask): StoredTask {
  if (stored.bare || stored.task.payload.length <= payloadKept) return stored
  return { ...stored, task: { ...stored.task, payload: '' }, bare: true }
}

/** A body of our own that is JSON: its checksum was verified. */
export function readJson<Body>(body: Buffer): Body {
  return JSON.parse(body.toString()) as Body
}

export function jsonBody(value: ClaimRecord | LeaseRecord): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** One task in a line: where, which, and how large its record is. */
export interface LineRow {
  readonly id: string
  readonly tried: boolean
  readonly bytes: number
}

export function writeLineRow(writer: Writer, { id, tried, bytes }: LineRow): void {
  writer.byte(tried ? 1 : 0)
  writer.number(bytes)
  writer.name(id)
}

export function readLineRow(body: Buffer): LineRow {
  const parts = new Parts(body)
  const tried = parts.byte() === 1
  const bytes = parts.number()
  return { id: parts.name(), tried, bytes }
}

/** What is remembered of a key: as what is remembered of a client id, so that one sweep forgets both. */
export function onceBody(writer: Writer, once: { stored: number; hash: Buffer; time: number; id: string }): Buffer {
  writer.room(120)
  writer.number(once.stored)
  writer.bytes(once.hash)
  writer.number(once.time)
  writer.name(once.id)
  writer.short(0)
  return writer.endKey()
}

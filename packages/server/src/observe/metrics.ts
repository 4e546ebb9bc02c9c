// The metrics. Counting is an integer field of the room that counts; it is read here when somebody scrapes.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry as PromRegistry } from 'prom-client'
import type { Direct } from '../direct/direct.ts'
import type { Undelivered } from '../direct/undelivered.ts'
import type { Engine } from '../engines/engine.ts'
import type { Pulse } from '../fanout/pulse.ts'
import type { Log } from '../log/log.ts'
import type { Bookings } from '../pools/bookings.ts'
import type { Pools } from '../pools/pools.ts'
import type { Relay } from '../relay/relay.ts'
import type { Requests, TypeView } from '../requests/requests.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Heartbeat } from '../sessions/heartbeat.ts'
import type { Registry } from '../sessions/registry.ts'
import type { QueueView, Tasks } from '../tasks/tasks.ts'

export interface Observed {
  readonly registry: Registry
  readonly heartbeat: Heartbeat
  readonly pulse: Pulse
  readonly relay: Relay
  readonly direct: Direct
  readonly rooms: Rooms
  readonly tasks: Tasks
  readonly requests: Requests
  readonly pools: Pools
  readonly bookings: Bookings
  readonly log: Log
  readonly engine: Engine
  readonly undelivered: Undelivered | undefined
  /** Messages and bytes taken from connections. */
  readonly received: { messages: number; bytes: number }
}

type Values = (seen: Observed) => number | Readonly<Record<string, number>>

interface Series {
  readonly type: 'counter' | 'gauge'
  readonly help: string
  /** The label that a record's keys go under. */
  readonly label?: string
  readonly read: Values
}

function perQueue(value: (queue: QueueView) => number): { readonly label: string; readonly read: Values } {
  const read: Values = ({ tasks }) => Object.fromEntries(tasks.queues().map((queue) => [queue.queue, value(queue)]))
  return { label: 'queue', read }
}

function perType(value: (type: TypeView) => number): { readonly label: string; readonly read: Values } {
  const read: Values = ({ requests }) => Object.fromEntries(requests.types().map((type) => [type.type, value(type)]))
  return { label: 'type', read }
}

/** Every series of our own. Counters end in `_total`. No user, room or channel is a label; queues and types of requests are, of which there are few. */
export const series: Readonly<Record<string, Series>> = {
  nitka_connections: { type: 'gauge', help: 'Open connections.', read: ({ registry }) => registry.size },
  nitka_connections_opened_total: {
    type: 'counter',
    help: 'Connections taken.',
    read: ({ registry }) => registry.opened,
  },
  nitka_connections_refused_total: {
    type: 'counter',
    help: 'Connections refused at a limit.',
    read: ({ registry }) => registry.refused,
  },
  nitka_connections_ended_total: {
    type: 'counter',
    help: 'Connections ended, by reason.',
    label: 'reason',
    read: ({ registry }) => Object.fromEntries(registry.ended),
  },
  nitka_connections_silent_total: {
    type: 'counter',
    help: 'Connections found dead by the heartbeat.',
    read: ({ heartbeat }) => heartbeat.silent,
  },
  nitka_connections_stalled_total: {
    type: 'counter',
    help: 'Connections closed because they read nothing.',
    read: ({ heartbeat }) => heartbeat.stalled,
  },
  nitka_connections_over_budget_total: {
    type: 'counter',
    help: 'Connections closed to keep all outboxes within their budget.',
    read: ({ heartbeat }) => heartbeat.overBudget,
  },
  nitka_intake_held_total: {
    type: 'counter',
    help: 'Times that an ended connection had been read more slowly.',
    read: ({ registry }) => registry.held,
  },
  nitka_outbox_bytes: {
    type: 'gauge',
    help: 'Bytes in all outboxes at the last sweep.',
    read: ({ heartbeat }) => heartbeat.outboxBytes,
  },
  nitka_messages_in_total: {
    type: 'counter',
    help: 'Messages received over WebSocket.',
    read: ({ received }) => received.messages,
  },
  nitka_messages_in_bytes_total: { type: 'counter', help: 'Bytes of those.', read: ({ received }) => received.bytes },
  nitka_pulses_total: { type: 'counter', help: 'Pulses.', read: ({ pulse }) => pulse.count },
  nitka_relay_channels: { type: 'gauge', help: 'Relay channels with a client.', read: ({ relay }) => relay.channels },
  nitka_relay_published_total: { type: 'counter', help: 'Relay messages taken.', read: ({ relay }) => relay.published },
  nitka_relay_delivered_total: {
    type: 'counter',
    help: 'Relay messages handed to sockets.',
    read: ({ relay }) => relay.delivered,
  },
  nitka_relay_dropped_total: {
    type: 'counter',
    help: 'Relay messages dropped, by rule.',
    label: 'rule',
    read: ({ relay }) => relay.dropped,
  },
  nitka_relay_pool_messages: {
    type: 'gauge',
    help: 'Relay messages waiting in pools.',
    read: ({ relay }) => relay.waiting().messages,
  },
  nitka_relay_pool_bytes: { type: 'gauge', help: 'Bytes of those.', read: ({ relay }) => relay.waiting().bytes },
  nitka_direct_sent_total: { type: 'counter', help: 'Direct messages stored.', read: ({ direct }) => direct.sent },
  nitka_direct_inboxes: { type: 'gauge', help: 'Users with an open inbox.', read: ({ direct }) => direct.inboxes },
  nitka_direct_events_missed_total: {
    type: 'counter',
    help: 'Read markers that a slow connection missed.',
    read: ({ direct }) => direct.eventsMissed,
  },
  nitka_undelivered_told_total: {
    type: 'counter',
    help: 'Undelivered messages told to the application.',
    read: ({ undelivered }) => undelivered?.told ?? 0,
  },
  nitka_undelivered_failures_total: {
    type: 'counter',
    help: 'Posts to the application that failed.',
    read: ({ undelivered }) => undelivered?.failures ?? 0,
  },
  nitka_rooms_sent_total: { type: 'counter', help: 'Room messages stored.', read: ({ rooms }) => rooms.sent },
  nitka_rooms_present: {
    type: 'gauge',
    help: 'Rooms with somebody in them.',
    read: ({ rooms }) => rooms.presence.rooms,
  },
  nitka_rooms_events_missed_total: {
    type: 'counter',
    help: 'Room events that a slow connection missed.',
    read: ({ rooms }) => rooms.eventsMissed,
  },
  nitka_tasks_added_total: { type: 'counter', help: 'Tasks added.', read: ({ tasks }) => tasks.added },
  nitka_tasks_leased_total: { type: 'counter', help: 'Leases given.', read: ({ tasks }) => tasks.leased },
  nitka_tasks_reported_total: {
    type: 'counter',
    help: 'Tasks reported, by outcome.',
    label: 'outcome',
    read: ({ tasks }) => tasks.outcomes,
  },
  nitka_tasks_lost_total: {
    type: 'counter',
    help: 'Leases that ended without a report, by how.',
    label: 'how',
    read: ({ tasks }) => tasks.lost,
  },
  nitka_tasks_ready: { type: 'gauge', help: 'Tasks that could be handed out.', ...perQueue(({ ready }) => ready) },
  nitka_tasks_delayed: { type: 'gauge', help: 'Tasks that wait for a time.', ...perQueue(({ delayed }) => delayed) },
  nitka_tasks_leased: { type: 'gauge', help: 'Tasks that are worked on.', ...perQueue(({ leased }) => leased) },
  nitka_tasks_dead: { type: 'gauge', help: 'Dead letters.', ...perQueue(({ dead }) => dead) },
  nitka_tasks_oldest_ready_time_seconds: {
    type: 'gauge',
    help: 'When about the oldest ready task was added, seconds since 1970; 0: none is ready.',
    ...perQueue(({ oldestReady = 0 }) => oldestReady / 1_000),
  },
  nitka_task_workers: { type: 'gauge', help: 'Connected workers.', ...perQueue(({ workers }) => workers) },
  nitka_task_workers_free: { type: 'gauge', help: 'Those without a task.', ...perQueue(({ free }) => free) },
  nitka_task_workers_silent_total: {
    type: 'counter',
    help: 'Workers disconnected because nothing was heard of their tasks.',
    read: ({ tasks }) => tasks.silent,
  },
  nitka_requests_waiting: {
    type: 'gauge',
    help: 'Requests that wait for their executor.',
    read: ({ requests }) => requests.waiting,
  },
  nitka_requests_running: { type: 'gauge', help: 'Requests that run.', read: ({ requests }) => requests.running },
  nitka_requests_refused_total: {
    type: 'counter',
    help: 'Requests without an executor, or beyond what may wait.',
    read: ({ requests }) => requests.refused,
  },
  nitka_requests_answered_total: {
    type: 'counter',
    help: 'Requests answered, by type.',
    ...perType(({ answered }) => answered),
  },
  nitka_requests_failed_total: {
    type: 'counter',
    help: 'Requests that failed or took too long, by type.',
    ...perType(({ failed }) => failed),
  },
  nitka_requests_waited_seconds_total: {
    type: 'counter',
    help: 'Time that requests waited, by type.',
    ...perType(({ waited }) => waited / 1_000),
  },
  nitka_requests_ran_seconds_total: {
    type: 'counter',
    help: 'Time that requests ran, by type.',
    ...perType(({ ran }) => ran / 1_000),
  },
  nitka_pools: { type: 'gauge', help: 'Pools.', read: ({ pools }) => pools.size },
  nitka_pools_holds: { type: 'gauge', help: 'Holds.', read: ({ pools }) => pools.holds },
  nitka_pools_waiting: { type: 'gauge', help: 'Requests that wait for resources.', read: ({ pools }) => pools.waiting },
  nitka_pools_acquired_total: { type: 'counter', help: 'Holds given.', read: ({ pools }) => pools.acquired },
  nitka_pools_released_total: { type: 'counter', help: 'Holds given back.', read: ({ pools }) => pools.released },
  nitka_pools_expired_total: {
    type: 'counter',
    help: 'Holds that ended by their time or with their connection.',
    read: ({ pools }) => pools.expired,
  },
  nitka_pools_unserved_total: {
    type: 'counter',
    help: 'Requests for resources that were not served in time.',
    read: ({ pools }) => pools.unserved,
  },
  nitka_bookings_total: { type: 'counter', help: 'Bookings made.', read: ({ bookings }) => bookings.booked },
  nitka_log_followed: { type: 'gauge', help: 'Logs that some connection follows.', read: ({ log }) => log.followed },
  nitka_log_reads_waiting: {
    type: 'gauge',
    help: 'Catch-up reads waiting for their turn.',
    read: ({ log }) => log.readsWaiting,
  },
  nitka_log_joins_total: {
    type: 'counter',
    help: 'Joins and resumes, by outcome.',
    label: 'outcome',
    read: ({ log }) => log.recoveries,
  },
  nitka_store_appends_total: {
    type: 'counter',
    help: 'Entries appended.',
    read: ({ engine }) => engine.counters.appends,
  },
  nitka_store_repeats_total: {
    type: 'counter',
    help: 'Appends answered by an earlier one.',
    read: ({ engine }) => engine.counters.repeats,
  },
  nitka_store_failures_total: {
    type: 'counter',
    help: 'Store operations that failed.',
    read: ({ engine }) => engine.counters.failures,
  },
  nitka_store_damaged_total: {
    type: 'counter',
    help: 'Values and records found damaged.',
    read: ({ engine }) => engine.counters.damaged,
  },
  nitka_store_queue_bytes: {
    type: 'gauge',
    help: 'Bytes waiting to be committed.',
    read: ({ engine }) => engine.counters.queuedBytes,
  },
}

/** The histogram of commits; `nitka_store_commit_seconds`. */
const commitMetric = 'nitka_store_commit_seconds'

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
}

export function openMetrics(seen: Observed): Metrics {
  const registry = new PromRegistry()
  collectDefaultMetrics({ register: registry })
  for (const [name, one] of Object.entries(series)) register(registry, name, one, seen)
  const commits = new Histogram({
    name: commitMetric,
    help: 'Duration of commits, with their sync.',
    buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [registry],
  })
  seen.engine.onCommit = (ms) => commits.observe(ms / 1000)
  return { contentType: registry.contentType, text: () => registry.metrics() }
}

function register(registry: PromRegistry, name: string, one: Series, seen: Observed): void {
  const labelNames = one.label === undefined ? [] : [one.label]
  const kind = { name, help: one.help, labelNames, registers: [registry] }
  if (one.type === 'gauge')
    new Gauge({
      ...kind,
      collect() {
        each(one, seen, (labels, value) => this.set(labels, value))
      },
    })
  else
    new Counter({
      ...kind,
      collect() {
        this.reset()
        each(one, seen, (labels, value) => this.inc(labels, value))
      },
    })
}

function each(one: Series, seen: Observed, give: (labels: Record<string, string>, value: number) => void): void {
  const value = one.read(seen)
  if (typeof value === 'number') return give({}, value)
  for (const [key, part] of Object.entries(value)) give(one.label === undefined ? {} : { [one.label]: key }, part)
}

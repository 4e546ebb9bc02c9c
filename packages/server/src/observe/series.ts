// The series of metrics: one table, from which the reference is made. Counting is an integer field of the room that counts; it
// is read here when somebody scrapes.

import type { Exchange } from '../fanout/exchange.ts'
import type { TypeView } from '../requests/requests.ts'
import type { QueueView } from '../tasks/views.ts'
import { doorSeries } from './door-series.ts'
import type { Series, Values } from './observed.ts'

function perQueue(value: (queue: QueueView) => number): { readonly label: string; readonly read: Values } {
  const read: Values = ({ tasks }) => Object.fromEntries(tasks.queues().map((queue) => [queue.queue, value(queue)]))
  return { label: 'queue', read }
}

function perType(value: (type: TypeView) => number): { readonly label: string; readonly read: Values } {
  const read: Values = ({ requests }) => Object.fromEntries(requests.types().map((type) => [type.type, value(type)]))
  return { label: 'type', read }
}

/** What services tell other nodes, and hear from them. */
function perService(key: keyof Exchange['counts']): { readonly label: string; readonly read: Values } {
  const read: Values = ({ log, relay, rooms, direct }) =>
    Object.fromEntries(
      Object.entries({ log, relay, rooms, direct }).map(([name, one]) => [name, one.exchange.counts[key]]),
    )
  return { label: 'service', read }
}

/** Every series of our own. Counters end in `_total`. No user, room or channel is a label; queues and types of requests are, of which there are few. */
export const series: Readonly<Record<string, Series>> = {
  ...doorSeries,
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
  nitka_requests_forwarded_total: {
    type: 'counter',
    help: 'Requests that another node of the cluster was asked.',
    read: ({ requests }) => requests.moves.forwarded,
  },
  nitka_requests_asked_again_total: {
    type: 'counter',
    help: 'Requests that were asked again because their type had moved to another node, attempts included.',
    read: ({ requests }) => requests.moves.askedAgain,
  },
  nitka_requests_types_owned: {
    type: 'gauge',
    help: 'Types of requests that this node answers.',
    read: ({ requests }) => requests.moves.owned,
  },
  nitka_pools_owned: {
    type: 'gauge',
    help: 'Whether the pools are on this node: 1 or 0.',
    read: ({ pools }) => pools.counts.owned,
  },
  nitka_pools_forwarded_total: {
    type: 'counter',
    help: 'Calls for pools that another node of the cluster was asked.',
    read: ({ pools }) => pools.counts.forwarded,
  },
  nitka_pools: { type: 'gauge', help: 'Pools.', read: ({ pools }) => pools.counts.size },
  nitka_pools_holds: { type: 'gauge', help: 'Holds.', read: ({ pools }) => pools.counts.holds },
  nitka_pools_waiting: {
    type: 'gauge',
    help: 'Requests that wait for resources.',
    read: ({ pools }) => pools.counts.waiting,
  },
  nitka_pools_acquired_total: { type: 'counter', help: 'Holds given.', read: ({ pools }) => pools.counts.acquired },
  nitka_pools_released_total: {
    type: 'counter',
    help: 'Holds given back.',
    read: ({ pools }) => pools.counts.released,
  },
  nitka_pools_expired_total: {
    type: 'counter',
    help: 'Holds that ended by their time or with their connection.',
    read: ({ pools }) => pools.counts.expired,
  },
  nitka_pools_unserved_total: {
    type: 'counter',
    help: 'Requests for resources that were not served in time.',
    read: ({ pools }) => pools.counts.unserved,
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
  nitka_bus_told_total: {
    type: 'counter',
    help: 'Entries, frames and events told to other nodes, by service.',
    ...perService('partsOut'),
  },
  nitka_bus_messages_out_total: {
    type: 'counter',
    help: 'Messages of the bus that carried them.',
    ...perService('messagesOut'),
  },
  nitka_bus_bytes_out_total: { type: 'counter', help: 'Bytes of those.', ...perService('bytesOut') },
  nitka_bus_too_large_total: {
    type: 'counter',
    help: 'What was too large to be told to other nodes, by service.',
    ...perService('tooLarge'),
  },
  nitka_bus_heard_total: {
    type: 'counter',
    help: 'Entries, frames and events heard from other nodes, by service.',
    ...perService('partsIn'),
  },
  nitka_bus_messages_in_total: {
    type: 'counter',
    help: 'Messages of the bus that carried them.',
    ...perService('messagesIn'),
  },
  nitka_bus_bytes_in_total: { type: 'counter', help: 'Bytes of those.', ...perService('bytesIn') },
  nitka_bus_damaged_total: {
    type: 'counter',
    help: 'Messages of the bus that were not understood, by service.',
    ...perService('damaged'),
  },
  nitka_nodes: {
    type: 'gauge',
    help: 'Nodes of the cluster that are alive, as far as this one has heard; 1 without a cluster.',
    read: ({ engine }) => engine.ownership?.nodes.size ?? 1,
  },
  nitka_bus_healthy: {
    type: 'gauge',
    help: 'Whether the bus to other nodes answers: 1 or 0; 1 without a cluster.',
    read: ({ engine }) => (engine.bus.healthy ? 1 : 0),
  },
  nitka_store_healthy: {
    type: 'gauge',
    help: 'Whether this node can take writes: 1 or 0.',
    read: ({ engine }) => (engine.unhealthy() === undefined ? 1 : 0),
  },
  nitka_store_oldest_transaction_seconds: {
    type: 'gauge',
    help: 'How long the oldest transaction in the database of a cluster is open, as far as the role of the node may see; once a minute.',
    read: ({ engine }) => (engine.oldestTransactionMs ?? 0) / 1_000,
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
    help: 'Bytes waiting to be committed; each write counts 1,000 beside its own.',
    read: ({ engine }) => engine.counters.queuedBytes,
  },
}

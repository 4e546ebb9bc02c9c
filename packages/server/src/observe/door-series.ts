// The series of connections, and of what comes in over them.

import type { Series } from './observed.ts'

export const doorSeries: Readonly<Record<string, Series>> = {
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
  nitka_tokens_refused_total: {
    type: 'counter',
    help: 'Tokens that were not taken.',
    read: ({ jwt }) => jwt?.refused ?? 0,
  },
  nitka_logins_refused_total: {
    type: 'counter',
    help: 'Tokens that were refused as too many from their address.',
    read: ({ logins }) => logins?.refused ?? 0,
  },
  nitka_token_keys_fetched_total: {
    type: 'counter',
    help: 'Fetches of the keys of tokens, by outcome.',
    label: 'outcome',
    read: ({ jwt }) => ({ ok: jwt?.remote?.fetched ?? 0, failed: jwt?.remote?.failed ?? 0 }),
  },
  nitka_tickets: { type: 'gauge', help: 'Tickets that were not used.', read: ({ tickets }) => tickets.size },
  nitka_tickets_refused_total: {
    type: 'counter',
    help: 'Tickets that were not taken.',
    read: ({ tickets }) => tickets.refused,
  },
  nitka_intake_held_total: {
    type: 'counter',
    help: 'Times that an ended connection had been read more slowly.',
    read: ({ registry }) => registry.held,
  },
  nitka_store_durability: {
    type: 'gauge',
    help: '1 for how much a confirmation is worth: `disk`, `replicated` or `relaxed`.',
    label: 'durability',
    read: ({ engine }) => ({ [engine.durability]: 1 }),
  },
  nitka_store_held_back_total: {
    type: 'counter',
    help: 'Times that senders were held back because the store was behind.',
    read: ({ dam }) => dam.closures,
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
  nitka_http_body_bytes: {
    type: 'gauge',
    help: 'Bytes of the bodies of requests over HTTP that are under way.',
    read: ({ load }) => load.bytes,
  },
  nitka_http_overloaded_total: {
    type: 'counter',
    help: 'Requests over HTTP refused because too much was under way.',
    read: ({ load }) => load.refused,
  },
}

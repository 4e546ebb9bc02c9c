// The WebSocket side as an AsyncAPI 3 document, made from the schemas that also validate.

import { rpcSubprotocol } from '@nitka/protocol'
import { calls, notifications, values } from '@nitka/protocol/schemas'
import type { TSchema } from 'typebox'
import { ownVersion } from '../../version.ts'

interface Message {
  readonly name: string
  readonly summary?: string
  readonly payload: unknown
}

/** A fresh document. `base`: where the server is attached, '' at the root. */
export function asyncApi(base: string): unknown {
  const messages: Record<string, Message> = {}
  const operations: Record<string, unknown> = {}
  for (const [name, call] of Object.entries(calls)) {
    messages[`${name}.call`] = { name, summary: call.doc, payload: callPayload(name, call.params) }
    messages[`${name}.result`] = { name: `${name} result`, payload: resultPayload(call.result) }
    operations[name] = {
      action: 'receive',
      summary: call.doc,
      channel: { $ref: '#/channels/ws' },
      messages: [{ $ref: `#/channels/ws/messages/${name}.call` }],
      reply: { channel: { $ref: '#/channels/ws' }, messages: [{ $ref: `#/channels/ws/messages/${name}.result` }] },
    }
  }
  for (const [name, note] of Object.entries(notifications)) {
    messages[name] = { name, summary: note.doc, payload: callPayload(name, note.params, false) }
    operations[`${name}.notification`] = {
      action: 'send',
      summary: note.doc,
      channel: { $ref: '#/channels/ws' },
      messages: [{ $ref: `#/channels/ws/messages/${name}` }],
    }
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Nitka',
      version: ownVersion(),
      description: `JSON-RPC 2.0 over WebSocket at /ws (subprotocol ${rpcSubprotocol}), and the plain dialects.`,
    },
    channels: { ws: { address: `${base}/ws`, messages }, ...plainChannels(base) },
    operations,
  }
}

function callPayload(name: string, params: TSchema, withId = true): unknown {
  return {
    type: 'object',
    required: ['jsonrpc', 'method'],
    properties: {
      jsonrpc: { const: '2.0' },
      ...(withId ? { id: { type: ['string', 'integer'] } } : {}),
      method: { const: name },
      params,
    },
  }
}

function resultPayload(result: TSchema): unknown {
  return {
    type: 'object',
    required: ['jsonrpc', 'id'],
    properties: { jsonrpc: { const: '2.0' }, id: { type: ['string', 'integer', 'null'] }, result, error: errorPayload },
  }
}

const errorPayload = {
  type: 'object',
  required: ['code', 'message', 'data'],
  properties: {
    code: { type: 'integer' },
    message: { type: 'string' },
    data: {
      type: 'object',
      properties: { code: { type: 'string' }, retry: { enum: ['never', 'later'] }, field: { type: 'string' } },
    },
  },
}

function plainChannels(base: string): Record<string, unknown> {
  return {
    relay: {
      address: `${base}/relay/{channel}`,
      parameters: { channel: { description: 'A name; absent: `default`.' } },
      messages: {
        any: {
          name: 'any',
          summary: 'Each frame goes unchanged to all other connections of the channel.',
          payload: {},
        },
      },
    },
    room: {
      address: `${base}/rooms/{room}/ws`,
      parameters: { room: { description: 'A room that the user is a member of, or an open one.' } },
      messages: {
        entry: { name: 'entry', summary: 'Each message of the room.', payload: values.RoomEntry },
        send: {
          name: 'send',
          summary: 'Sends.',
          payload: { type: 'object', required: ['message'], properties: { message: {}, clientId: values.ClientId } },
        },
      },
    },
  }
}

// The server's notifications in JSON-RPC, as text built around what is JSON already.

import type { Unread } from '../../direct/direct.ts'
import { messageText } from '../../direct/messages.ts'
import type { LogMessage } from '../../log/feed.ts'
import type { RelayMessage } from '../../relay/relay.ts'
import type { RoomEvent } from '../../rooms/events.ts'
import { entryText } from '../../rooms/messages.ts'
import { textEncoder } from '../encoders.ts'

/** A notification; `params` is JSON text. */
export function notification(method: string, params: string): string {
  return `{"jsonrpc":"2.0","method":"${method}","params":${params}}`
}

export const rpcDirectEncoder = textEncoder<LogMessage>(({ entry }) =>
  notification('direct.message', messageText(entry)),
)

export const rpcRoomEncoder = textEncoder<LogMessage>(({ log, entry }) =>
  notification('rooms.message', entryText(log.id, entry)),
)

export const rpcMarkerEncoder = textEncoder<Unread>((marker) => notification('direct.read', JSON.stringify(marker)))

export const rpcRoomEventEncoder = textEncoder<RoomEvent>(({ kind, ...params }) =>
  notification(`rooms.${kind}`, JSON.stringify(params)),
)

export const rpcRelayEncoder = textEncoder<RelayMessage>(({ channel, data, binary }) => {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  if (binary)
    return notification('relay.message', JSON.stringify({ channel, message: bytes.toString('base64'), binary }))
  return notification('relay.message', `{"channel":"${channel}","message":${jsonOf(bytes.toString())}}`)
})

/** Text that is JSON goes as it is, other text as a string: plain clients of a channel may send anything. */
function jsonOf(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    return JSON.stringify(text)
  }
}

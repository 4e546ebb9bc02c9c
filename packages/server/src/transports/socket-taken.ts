// How much of what was written has left this process.

import type { Socket } from 'node:net'

/**
 * Bytes, a part of a write included. The handle is Node's own and not public; without it a write counts only when it is
 * complete, which is coarser and still right.
 */
export function takenBy(socket: Socket): number {
  const handle = (socket as { _handle?: { bytesWritten?: number; writeQueueSize?: number } })._handle
  if (handle?.bytesWritten !== undefined) return handle.bytesWritten - (handle.writeQueueSize ?? 0)
  return socket.bytesWritten - socket.writableLength
}

// A body that was refused before all of it had come. A client that is still sending hears why only if somebody goes on reading.

import type { IncomingMessage } from 'node:http'

/** Whoever still sends after so many bytes more does not want to hear it. */
const passedOverMax = 16 * 2 ** 20

/** Reads the rest of a refused body and forgets it; cuts off who sends without end. */
export function passOver(request: IncomingMessage): void {
  let left = passedOverMax
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) request.socket.destroy()
  })
}

// The end of a connection that we ended: what was written may still leave, but nobody is waited for who takes nothing.

import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Clock } from '../world.ts'
import { takenBy } from './socket-taken.ts'

/**
 * Destroys the socket when it took nothing for `ms` and what ends with it is still there. Nothing else would: a kernel asks a
 * peer that is alive and reads nothing for ever.
 * @param ends the socket, or the response on it that was ended
 */
export function boundLastBytes(
  socket: Socket,
  ends: EventEmitter & { readonly destroyed: boolean },
  clock: Clock,
  ms: number,
): void {
  if (ends.destroyed) return
  let taken = takenBy(socket)
  const timer = clock.every(ms, () => {
    const now = takenBy(socket)
    if (now === taken) socket.destroy()
    taken = now
  })
  ends.once('close', () => timer.cancel())
}

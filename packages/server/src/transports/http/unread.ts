// An answer that nobody reads keeps its memory and its socket. Whoever takes nothing of one for a while is cut off; who reads
// slowly is not. One look at all such sockets now and then, so that an answer costs next to nothing.

import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../../world.ts'
import { takenBy } from '../socket-taken.ts'

/** A socket with answers that have not left. */
interface Owed {
  answers: number
  /** What it had taken at the last look; undefined: there was none yet. */
  taken: number | undefined
}

/** @param stallMs how long nothing may be taken, at least; twice that at most. 0: for ever */
export function cutOffUnread(http: FastifyInstance, clock: Clock, stallMs: number): void {
  if (stallMs === 0) return
  const owing = new Map<Socket, Owed>()
  const look = (): void => {
    for (const [socket, owed] of owing) {
      const taken = takenBy(socket)
      // Behind an answer that is not there yet nothing waits to be taken.
      if (taken === owed.taken && socket.writableLength > 0) socket.destroy()
      owed.taken = taken
    }
  }
  // At the end of a turn: after this process stood still, what was taken meanwhile has been seen by then.
  const timer = clock.every(stallMs, () => clock.soon(look))
  http.addHook('onClose', async () => timer.cancel())
  http.addHook('onSend', ({ raw: { socket } }, { raw: response }, _payload, done) => {
    // Whoever asked may have gone before there was an answer.
    if (!response.closed && !socket.destroyed) {
      const owed = owing.get(socket) ?? { answers: 0, taken: undefined }
      owing.set(socket, owed)
      owed.answers += 1
      response.once('close', () => {
        owed.answers -= 1
        if (owed.answers === 0) owing.delete(socket)
      })
    }
    done()
  })
}

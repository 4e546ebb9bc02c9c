// Leaving politely: every connection gets its own moment to come back elsewhere, spread evenly over the window, so that
// a deploy is no reconnect storm.

import { type Clock, sleep } from '../world.ts'
import type { Registry } from './registry.ts'
import type { Session } from './session.ts'

/** How long an rpc client has between the hint and the close, at most half the window. */
const hintMs = 500

/**
 * Ends all sessions over `windowMs` and resolves when none is left, or when the window is over.
 * rpc clients are told their moment at once; all are closed with 1012.
 */
export async function drainSessions(registry: Registry, clock: Clock, windowMs: number): Promise<void> {
  registry.close()
  const sessions = [...registry.sessions]
  const start = clock.monotonic()
  const graceMs = Math.min(hintMs, windowMs / 2)
  const spreadMs = windowMs - graceMs
  sessions.forEach((session, index) => {
    const afterMs = sessions.length < 2 ? 0 : Math.floor((spreadMs * index) / sessions.length)
    session.dialect?.draining(afterMs)
    clock.after(afterMs + graceMs, () => session.finish('restart', 'the server restarts; come back'))
  })
  while (registry.size > 0 && clock.monotonic() - start < windowMs) await sleep(clock, 20)
  for (const session of [...registry.sessions]) terminate(session)
}

function terminate(session: Session): void {
  session.close('goingAway', 'the server stops; come back')
  session.wire.terminate()
}

// The heartbeat: finds connections that are dead, stalled or never said who they are, and keeps all outboxes together
// within their budget. One sweep over all sessions a second; a session costs nothing in between.

import type { Clock, Timer } from '../world.ts'
import type { Registry } from './registry.ts'
import type { Session } from './session.ts'

export interface HeartbeatLimits {
  /** Silence after which a ping is sent, 0: never. */
  readonly pingMs: number
  /** Silence after the ping after which the connection is dead. */
  readonly pongMs: number
  /** How long a socket may take nothing of what waits for it, 0: for ever. */
  readonly stallMs: number
  /** How long a connection may stay without a user, 0: for ever. */
  readonly helloMs: number
  /** Bytes of all outboxes together, 0: no limit. */
  readonly outboxTotalBytes: number
}

/** What was last seen of a session. Times are of `#now`. */
interface Signs {
  received: number
  heardAt: number
  pingedAt: number | undefined
  taken: number
  tookAt: number
  /** The socket was full: what it takes after that, the peer took. */
  full: boolean
  readonly openedAt: number
}

const sweepMs = 1_000

export class Heartbeat {
  /** Sessions ended because: */
  silent = 0
  stalled = 0
  overBudget = 0
  /** Bytes in all outboxes at the last sweep. */
  outboxBytes = 0
  readonly #clock: Clock
  readonly #registry: Registry
  readonly #limits: HeartbeatLimits
  readonly #states = new WeakMap<Session, Signs>()
  readonly #timer: Timer
  #sweptAt: number
  /** Time in which somebody could be heard. */
  #now = 0

  constructor(clock: Clock, registry: Registry, limits: HeartbeatLimits) {
    this.#clock = clock
    this.#registry = registry
    this.#limits = limits
    this.#sweptAt = clock.monotonic()
    this.#timer = clock.every(sweepMs, () => this.sweep())
  }

  sweep(): void {
    const sweptAt = this.#clock.monotonic()
    // While this process stood still it heard nobody: that is not their silence.
    const heardMs = Math.min(sweptAt - this.#sweptAt, 2 * sweepMs)
    this.#now += heardMs
    this.#sweptAt = sweptAt
    const now = this.#now
    let total = 0
    for (const session of this.#registry.sessions) {
      this.#check(session, now, heardMs)
      total += session.outboxBytes
    }
    this.outboxBytes = total
    const { outboxTotalBytes } = this.#limits
    if (outboxTotalBytes !== 0 && total > outboxTotalBytes) this.#shed(total - outboxTotalBytes)
  }

  close(): void {
    this.#timer.cancel()
  }

  /** @param heardMs since the last sweep */
  #check(session: Session, now: number, heardMs: number): void {
    const { received, taken, pendingBytes } = session.wire
    const full = pendingBytes > 0
    const state = this.#states.get(session)
    if (state === undefined) {
      const openMs = Math.min(this.#clock.monotonic() - session.openedAt, heardMs)
      const seen = { heardAt: now, pingedAt: undefined, tookAt: now, openedAt: now - openMs }
      this.#states.set(session, { received, taken, full, ...seen })
      return
    }
    // Who still reads what was sent before the ping has not come to the ping yet.
    const reads = state.full && taken !== state.taken
    if (received !== state.received || reads || session.intake.holding) {
      state.received = received
      state.heardAt = now
      state.pingedAt = undefined
    }
    if (taken !== state.taken || session.outboxBytes === 0) {
      state.taken = taken
      state.tookAt = now
    }
    state.full = full
    const { pingMs, pongMs, stallMs, helloMs } = this.#limits
    if (!session.known && helloMs !== 0 && now - state.openedAt >= helloMs) {
      session.close('policy', 'no user was named in time')
    } else if (stallMs !== 0 && now - state.tookAt >= stallMs) {
      this.stalled++
      session.close('tryLater', 'nothing was read for too long; come back and resume')
    } else if (state.pingedAt !== undefined && now - state.pingedAt >= pongMs) {
      this.silent++
      session.wire.terminate()
    } else if (pingMs !== 0 && now - state.heardAt >= pingMs && state.pingedAt === undefined) {
      state.pingedAt = now
      session.wire.ping()
    }
  }

  /** Ends the largest outboxes until `excess` bytes are free. */
  #shed(excess: number): void {
    const largest = [...this.#registry.sessions].sort((a, b) => b.outboxBytes - a.outboxBytes)
    let left = excess
    for (const session of largest) {
      if (left <= 0) return
      left -= session.outboxBytes
      this.overBudget++
      session.close('tryLater', 'the server is short of memory; come back and resume')
      session.wire.terminate()
    }
  }
}

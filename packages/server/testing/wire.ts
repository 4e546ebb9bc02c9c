// A connection without a network: a wire whose other end reads when the test says so, and sessions on it.

import type { CloseReason } from '@nitka/protocol'
import { Pulse } from '../src/fanout/pulse.ts'
import { Session, type SessionLimits } from '../src/sessions/session.ts'
import type { Wire } from '../src/sessions/wire.ts'
import { webSocketFraming } from '../src/transports/websocket-framing.ts'
import { SimulatedClock } from './clock.ts'
import { type Frame, FrameReader } from './frames.ts'

/** What a socket holds before it says that it is behind, as Node's do. */
const highWaterBytes = 64 * 1024

export class FakeWire implements Wire {
  readonly transport = 'websocket'
  readonly framing = webSocketFraming
  readonly remoteAddress: string
  onDrain: (() => void) | undefined
  received = 0
  taken = 0
  /** True: the other end takes everything at once. */
  reading = true
  paused = false
  pings = 0
  /** How many times something was written. */
  writes = 0
  /** Why it was closed first. */
  closedFor: CloseReason | undefined
  terminated = false
  onGone: (() => void) | undefined
  readonly #clock: SimulatedClock
  readonly #arrived: Uint8Array[] = []
  #pending: { bytes: Uint8Array; onTaken: (() => void) | undefined }[] = []
  #behind = false

  constructor(clock: SimulatedClock, remoteAddress = '127.0.0.1') {
    this.#clock = clock
    this.remoteAddress = remoteAddress
  }

  /** Frames that the other end got in full. */
  get frames(): readonly Frame[] {
    const reader = new FrameReader()
    reader.push(Buffer.concat(this.#arrived))
    return reader.frames
  }

  /** The same as text. */
  get texts(): readonly string[] {
    return this.frames.map(({ payload }) => payload.toString())
  }

  write(parts: readonly Uint8Array[], onTaken: (() => void) | undefined): void {
    if (this.closedFor !== undefined || this.terminated) return
    if (parts.length > 0) this.writes++
    this.#pending.push({ bytes: Buffer.concat(parts), onTaken })
    if (this.pendingBytes >= highWaterBytes) this.#behind = true
    if (this.reading) this.read()
  }

  get pendingBytes(): number {
    return this.#pending.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  get blocked(): boolean {
    return this.#behind
  }

  /** The other end takes so many bytes of what waits. */
  read(bytes = Number.POSITIVE_INFINITY): void {
    let left = bytes
    while (this.#pending.length > 0) {
      const first = this.#pending[0]!
      const part = first.bytes.subarray(0, left)
      this.#arrived.push(part)
      this.taken += part.length
      left -= part.length
      if (part.length < first.bytes.length) {
        first.bytes = first.bytes.subarray(part.length)
        return
      }
      this.#pending.shift()
      // As a socket does: later, not within the write.
      this.#clock.soon(() => first.onTaken?.())
    }
    if (!this.#behind) return
    this.#behind = false
    this.#clock.soon(() => this.onDrain?.())
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  ping(): void {
    this.pings++
  }

  close(reason: CloseReason): void {
    this.closedFor ??= reason
  }

  terminate(): void {
    this.terminated = true
    this.#clock.soon(() => this.onGone?.())
  }
}

export const noLimits: SessionLimits = {
  ratePerSecond: 0,
  burst: 1,
  unansweredMax: 0,
  unansweredBytes: 0,
  joinsPerSecond: 0,
  outboxBytes: 256 * 1024,
  replyBytes: 256 * 1024,
}

interface Wishes {
  readonly user?: string | undefined
  readonly expiresAt?: number
  readonly address?: string
  readonly limits?: Partial<SessionLimits>
}

/** Sessions on fake wires, with one clock and one pulse. */
export class Bench {
  readonly clock = new SimulatedClock()
  readonly pulse = new Pulse(this.clock, 2)
  #sessions = 0

  open(wishes: Wishes = {}): { session: Session; wire: FakeWire } {
    const { clock, pulse } = this
    const wire = new FakeWire(clock, wishes.address)
    const id = `s${++this.#sessions}`
    const { user = 'anna', expiresAt } = wishes
    const known = !('user' in wishes) || wishes.user !== undefined
    const who = known ? { user, ...(expiresAt === undefined ? {} : { expiresAt }) } : undefined
    const session = new Session(
      { id, who, device: '', wire, openedAt: clock.monotonic() },
      { pulse, clock, limits: { ...noLimits, ...wishes.limits } },
    )
    wire.onGone = () => session.gone()
    return { session, wire }
  }
}

// A session: the server's object for a connection. Owns who it is, its birth and its death; the outbox owns what it
// writes, the intake how fast it reads, the dialect what the bytes mean.

import { type CloseReason, closeCodes, closeTexts } from '@nitka/protocol'
import type { Pulse } from '../fanout/pulse.ts'
import type { Recipient } from '../fanout/recipient.ts'
import type { Clock, Timer } from '../world.ts'
import { type Identity, stranger } from './auth.ts'
import type { Speaker } from './dialect.ts'
import { Intake, type IntakeLimits, type Shared } from './intake.ts'
import { Outbox } from './outbox.ts'
import type { Framing, Wire } from './wire.ts'

export interface SessionLimits extends IntakeLimits {
  readonly outboxBytes: number
  /** Most that answers may wait before the connection ends, bytes. */
  readonly replyBytes: number
}

/** How often a clock that was set is noticed. Also keeps timers below the 24 days that the platform can count. */
const expiryCheckMs = 60_000

export class Session implements Recipient {
  readonly id: string
  readonly wire: Wire
  /** What the client calls itself; '' when it says nothing. */
  device: string
  readonly openedAt: number
  readonly intake: Intake
  /** Why it ended; undefined while it is open. */
  ended: CloseReason | 'gone' | undefined
  /** Whether the peer said goodbye, as far as is known. */
  endedClean = false
  /** Told once when it ends. */
  onEnd: ((session: Session) => void) | undefined
  #who: Identity | undefined
  #expiry: Timer | undefined
  #dialect: Speaker | undefined
  #finishing = false
  readonly #outbox: Outbox
  readonly #clock: Clock
  #cleanups = new Set<() => void>()

  constructor(
    birth: { id: string; who: Identity | undefined; device: string; wire: Wire; openedAt: number },
    tools: { pulse: Pulse; clock: Clock; limits: SessionLimits; shared?: Shared },
  ) {
    this.id = birth.id
    this.wire = birth.wire
    this.device = birth.device
    this.openedAt = birth.openedAt
    this.#who = birth.who
    this.#clock = tools.clock
    const { limits } = tools
    const sizes = { softBytes: limits.outboxBytes, replyBytes: limits.replyBytes }
    this.#outbox = new Outbox(birth.wire, tools.pulse, sizes, () => this.close('tryLater', 'outbox full'))
    this.intake = new Intake(tools.clock, limits, birth.wire, tools.shared)
    this.intake.user = this.user
    this.#outbox.onDrain(() => this.intake.outboxDrained())
    this.#limitLife()
  }

  /** Who it is; somebody who may do nothing while that is not known. */
  get who(): Identity {
    return this.#who ?? stranger
  }

  /** Their name; '' for nobody in particular. */
  get user(): string {
    return this.who.user
  }

  get known(): boolean {
    return this.#who !== undefined
  }

  /** Sets who it is, once; later only until when, and what they may. */
  identify(who: Identity): void {
    this.#who = who
    this.intake.user = who.user
    this.#limitLife()
  }

  get dialect(): Speaker | undefined {
    return this.#dialect
  }

  speak(dialect: Speaker): void {
    this.#dialect = dialect
  }

  get outboxBytes(): number {
    return this.#outbox.bytes
  }

  get flowing(): boolean {
    return this.#outbox.flowing
  }

  get hasRoom(): boolean {
    return this.#outbox.hasRoom
  }

  get taken(): number {
    return this.wire.taken
  }

  deliver(bytes: Uint8Array, onTaken?: () => void): void {
    this.#outbox.push(bytes, onTaken)
  }

  /** Queues one text message to this connection alone: a reply, an error. `framing`: when it is not the wire's. */
  reply(text: string, framing: Framing = this.wire.framing): void {
    this.replyBytes(framing.text(text))
  }

  /** Queues answers that are bytes already. */
  replyBytes(bytes: Uint8Array): void {
    this.#outbox.pushReply(bytes)
    if (!this.#outbox.hasRoom) this.intake.outboxFull()
  }

  onDrain(listener: () => void): () => void {
    return this.#outbox.onDrain(listener)
  }

  /** Runs `cleanup` when the session ends; at once when it has. The returned function forgets it. */
  onClose(cleanup: () => void): () => void {
    if (this.ended !== undefined) cleanup()
    else this.#cleanups.add(cleanup)
    return () => this.#cleanups.delete(cleanup)
  }

  /** Writes what is queued, then closes. May be called twice. */
  close(reason: CloseReason, text: string = closeTexts[reason]): void {
    if (this.ended !== undefined) return
    this.#end(reason)
    this.#outbox.close()
    this.wire.close(reason, text)
  }

  /** Whether it ended without the user's doing: the connection broke, or was ended and may come back. */
  get lost(): boolean {
    if (this.ended === undefined || this.endedClean) return false
    return this.ended === 'gone' || closeCodes[this.ended].retry !== 'never'
  }

  /** Takes nothing more, answers what is under way, then closes. */
  finish(reason: CloseReason, text: string = closeTexts[reason]): void {
    if (this.#finishing) return
    this.#finishing = true
    if (this.intake.unanswered === 0) return this.close(reason, text)
    // The last answer is queued in this turn, after its call ended.
    this.intake.onIdle = () => this.#clock.soon(() => this.close(reason, text))
  }

  /** Whether messages are still taken. */
  get listening(): boolean {
    return this.ended === undefined && !this.#finishing
  }

  /** The transport says that the connection is gone. `clean`: the peer said goodbye. */
  gone(clean = false): void {
    if (this.ended === undefined) this.endedClean = clean
    this.#outbox.drop()
    this.#end('gone')
  }

  /** Ends with the identity. Wall time may jump, so a far end is looked at again on the way. */
  #limitLife(): void {
    this.#expiry?.cancel()
    const { expiresAt } = this.who
    if (expiresAt === undefined || this.ended !== undefined) return
    const left = expiresAt - this.#clock.now()
    this.#expiry = this.#clock.after(Math.min(Math.max(left, 0), expiryCheckMs), () => {
      if (this.#clock.now() >= expiresAt) this.close('expired')
      else this.#limitLife()
    })
  }

  #end(how: CloseReason | 'gone'): void {
    if (this.ended !== undefined) return
    this.ended = how
    this.#expiry?.cancel()
    this.intake.close()
    this.#dialect?.closed()
    for (const cleanup of this.#cleanups) cleanup()
    this.#cleanups.clear()
    this.onEnd?.(this)
  }
}

// The registry: all sessions of this node, and how many there may be. Owns the counts by user and address.

import { type CloseReason, NitkaError } from '@nitka/protocol'
import { addressKey } from './address.ts'
import type { Identity } from './auth.ts'
import type { Session } from './session.ts'

export interface RegistryLimits {
  /** 0: no limit, for each. */
  readonly connectionsMax: number
  readonly connectionsPerUserMax: number
  readonly connectionsPerAddressMax: number
  readonly unauthenticatedMax: number
  readonly unauthenticatedPerAddressMax: number
}

/** Told of each session whose user is known, and of its end. Must not throw. */
export interface SessionsListener {
  known(session: Session): void
  ended(session: Session): void
}

export class Registry {
  opened = 0
  /** Ended sessions by reason. */
  readonly ended = new Map<CloseReason | 'gone', number>()
  /** Connections refused at a limit. */
  refused = 0
  /** Times that the reading of a connection, since ended, was held back. */
  held = 0
  readonly #limits: RegistryLimits
  readonly #told: SessionsListener | undefined
  readonly #sessions = new Set<Session>()
  readonly #byUser = new Map<string, Set<Session>>()
  readonly #byAddress = new Map<string, number>()
  /** Those of them without a user. */
  readonly #unknownByAddress = new Map<string, number>()
  #unauthenticated = 0
  #closed = false

  constructor(limits: RegistryLimits, told?: SessionsListener) {
    this.#limits = limits
    this.#told = told
  }

  get size(): number {
    return this.#sessions.size
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions
  }

  of(user: string): ReadonlySet<Session> {
    return this.#byUser.get(user) ?? none
  }

  /** @throws NitkaError `overloaded`, `draining`: no connection more for this user or address */
  admit(user: string | undefined, address: string): void {
    const { connectionsMax, connectionsPerUserMax, connectionsPerAddressMax } = this.#limits
    if (this.#closed) throw new NitkaError('draining', 'the server is stopping; come back')
    if (over(this.#sessions.size, connectionsMax)) this.#refuse(`this node takes at most ${connectionsMax} connections`)
    const key = addressKey(address)
    if (key !== undefined && over(this.#byAddress.get(key) ?? 0, connectionsPerAddressMax)) {
      this.#refuse(`an address may have at most ${connectionsPerAddressMax} connections`)
    }
    if (user === undefined) {
      this.#admitUnknown(key)
    } else if (over(this.of(user).size, connectionsPerUserMax)) {
      this.#refuse(`a user may have at most ${connectionsPerUserMax} connections`)
    }
  }

  #admitUnknown(key: string | undefined): void {
    const { unauthenticatedMax, unauthenticatedPerAddressMax } = this.#limits
    if (over(this.#unauthenticated, unauthenticatedMax)) this.#refuse('too many connections without a user')
    if (key !== undefined && over(this.#unknownByAddress.get(key) ?? 0, unauthenticatedPerAddressMax)) {
      this.#refuse(`an address may have at most ${unauthenticatedPerAddressMax} connections without a user`)
    }
  }

  /** Takes a session that was admitted, until it ends. */
  add(session: Session): void {
    this.opened++
    this.#sessions.add(session)
    change(this.#byAddress, addressKey(session.wire.remoteAddress), 1)
    if (session.known) this.#index(session)
    else this.#unknown(session, 1)
    session.onEnd = this.#remove
    if (session.known) this.#told?.known(session)
  }

  /** The session's user became known. Nothing, when it has ended meanwhile. @throws NitkaError `overloaded` */
  identified(session: Session, who: Identity): void {
    if (session.ended !== undefined) return
    if (over(this.of(who.user).size, this.#limits.connectionsPerUserMax)) {
      this.#refuse(`a user may have at most ${this.#limits.connectionsPerUserMax} connections`)
    }
    const unknown = !session.known
    if (unknown) this.#unknown(session, -1)
    session.identify(who)
    this.#index(session)
    if (unknown) this.#told?.known(session)
  }

  /** Admits nobody more. */
  close(): void {
    this.#closed = true
  }

  #unknown(session: Session, by: 1 | -1): void {
    this.#unauthenticated += by
    change(this.#unknownByAddress, addressKey(session.wire.remoteAddress), by)
  }

  #index(session: Session): void {
    if (session.user === '') return
    const mine = this.#byUser.get(session.user)
    if (mine === undefined) this.#byUser.set(session.user, new Set([session]))
    else mine.add(session)
  }

  readonly #remove = (session: Session): void => {
    if (!this.#sessions.delete(session)) return
    const how = session.ended ?? 'gone'
    this.ended.set(how, (this.ended.get(how) ?? 0) + 1)
    this.held += session.intake.held
    change(this.#byAddress, addressKey(session.wire.remoteAddress), -1)
    if (!session.known) this.#unknown(session, -1)
    const mine = this.#byUser.get(session.user)
    mine?.delete(session)
    if (mine?.size === 0) this.#byUser.delete(session.user)
    if (session.known) this.#told?.ended(session)
  }

  #refuse(message: string): never {
    this.refused++
    throw new NitkaError('overloaded', message)
  }
}

const none: ReadonlySet<Session> = new Set()

function change(counts: Map<string, number>, key: string | undefined, by: 1 | -1): void {
  if (key === undefined) return
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}

function over(count: number, max: number): boolean {
  return max !== 0 && count >= max
}

// The registry: all sessions of this node, and how many there may be. Owns the counts by user and address.

import { type CloseReason, NitkaError } from '@nitka/protocol'
import { isLoopback } from './origin.ts'
import type { Session } from './session.ts'

export interface RegistryLimits {
  /** 0: no limit, for each. */
  readonly connectionsMax: number
  readonly connectionsPerUserMax: number
  readonly connectionsPerAddressMax: number
  readonly unauthenticatedMax: number
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
  readonly #sessions = new Set<Session>()
  readonly #byUser = new Map<string, Set<Session>>()
  readonly #byAddress = new Map<string, number>()
  #unauthenticated = 0
  #closed = false

  constructor(limits: RegistryLimits) {
    this.#limits = limits
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
    const { connectionsMax, connectionsPerUserMax, connectionsPerAddressMax, unauthenticatedMax } = this.#limits
    if (this.#closed) throw new NitkaError('draining', 'the server is stopping; come back')
    if (over(this.#sessions.size, connectionsMax)) this.#refuse(`this node takes at most ${connectionsMax} connections`)
    if (!isLoopback(address) && over(this.#byAddress.get(address) ?? 0, connectionsPerAddressMax)) {
      this.#refuse(`an address may have at most ${connectionsPerAddressMax} connections`)
    }
    if (user === undefined) {
      if (over(this.#unauthenticated, unauthenticatedMax)) this.#refuse('too many connections without a user')
    } else if (over(this.of(user).size, connectionsPerUserMax)) {
      this.#refuse(`a user may have at most ${connectionsPerUserMax} connections`)
    }
  }

  /** Takes a session that was admitted, until it ends. */
  add(session: Session): void {
    this.opened++
    this.#sessions.add(session)
    const address = session.wire.remoteAddress
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1)
    if (session.known) this.#index(session)
    else this.#unauthenticated++
    session.onEnd = this.#remove
  }

  /** The session's user became known. Nothing, when it has ended meanwhile. @throws NitkaError `overloaded` */
  identified(session: Session, user: string): void {
    if (session.ended !== undefined) return
    if (over(this.of(user).size, this.#limits.connectionsPerUserMax)) {
      this.#refuse(`a user may have at most ${this.#limits.connectionsPerUserMax} connections`)
    }
    if (!session.known) this.#unauthenticated--
    session.identify(user)
    this.#index(session)
  }

  /** Admits nobody more. */
  close(): void {
    this.#closed = true
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
    const address = session.wire.remoteAddress
    const left = (this.#byAddress.get(address) ?? 1) - 1
    if (left === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, left)
    if (!session.known) this.#unauthenticated--
    const mine = this.#byUser.get(session.user)
    mine?.delete(session)
    if (mine?.size === 0) this.#byUser.delete(session.user)
  }

  #refuse(message: string): never {
    this.refused++
    throw new NitkaError('overloaded', message)
  }
}

const none: ReadonlySet<Session> = new Set()

function over(count: number, max: number): boolean {
  return max !== 0 && count >= max
}

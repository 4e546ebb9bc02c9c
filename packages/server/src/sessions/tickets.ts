// Tickets: where a token cannot go, because an `EventSource` has no headers and a URL ends up in logs, a ticket goes: good once, for
// one connection, for half a minute. In memory of the node that gave it; on several nodes it names that node, and the others ask
// there.

import { createHash } from 'node:crypto'
import { NitkaError } from '@nitka/protocol'
import type { Clock, Random } from '../world.ts'
import type { Identity } from './auth.ts'

interface Ticket {
  readonly who: Identity
  /** The path of the connection that it is for; undefined: any. */
  readonly purpose: string | undefined
  /** Monotonic. */
  readonly endsAt: number
}

/** The other nodes, for tickets that they gave. */
export interface OtherNodes {
  /** This node's name: 20 of the characters a-z 0-9. */
  readonly node: string
  /** Takes a ticket on the node that gave it. @throws NitkaError */
  redeem(node: string, ticket: string, path: string): Promise<Identity>
}

const lifeMs = 30_000
const ticketsMax = 10_000
const ticketsPerUserMax = 32

export class Tickets {
  /** Tickets that were not taken. */
  refused = 0
  /** Undefined: there are none. */
  others: OtherNodes | undefined
  readonly #clock: Clock
  readonly #random: Random
  /** By hash, so that no lookup tells by its time how much of a guess was right. All live equally long: oldest first. */
  readonly #tickets = new Map<string, Ticket>()
  readonly #counts = new Map<string, number>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  get size(): number {
    return this.#tickets.size
  }

  /** @throws NitkaError `overloaded` */
  issue(who: Identity, purpose: string | undefined): { readonly ticket: string; readonly expires: number } {
    this.#sweep()
    const mine = this.#counts.get(who.user) ?? 0
    if (this.#tickets.size >= ticketsMax || mine >= ticketsPerUserMax) {
      throw new NitkaError(
        'overloaded',
        `too many tickets were not used yet; a user may have ${ticketsPerUserMax} of them`,
      )
    }
    const secret = Buffer.from(this.#random.bytes(16)).toString('base64url')
    const ticket = this.others === undefined ? secret : `${this.others.node}.${secret}`
    this.#tickets.set(keyOf(ticket), { who, purpose, endsAt: this.#clock.monotonic() + lifeMs })
    this.#counts.set(who.user, mine + 1)
    return { ticket, expires: this.#clock.now() + lifeMs }
  }

  /** Whose it is. It is used up, also when it was for another path. @throws NitkaError `unauthenticated` */
  redeem(ticket: string, path: string): Identity {
    this.#sweep()
    const key = keyOf(ticket)
    const found = this.#tickets.get(key)
    if (found !== undefined) this.#drop(key, found)
    const { who, purpose = path } = found ?? {}
    if (who !== undefined && purpose === path && (who.expiresAt ?? Number.POSITIVE_INFINITY) > this.#clock.now())
      return who
    throw this.#refusal()
  }

  /** As `redeem`, whichever node gave it. One whose node is gone, or does not answer, is not good any more. */
  async redeemAnywhere(ticket: string, path: string): Promise<Identity> {
    const from = /^([a-z0-9]{20})\./.exec(ticket)?.[1]
    if (this.others === undefined || from === undefined || from === this.others.node) return this.redeem(ticket, path)
    try {
      return await this.others.redeem(from, ticket, path)
    } catch {
      throw this.#refusal()
    }
  }

  #refusal(): NitkaError {
    this.refused++
    const message = 'the ticket was used, is too old, or is for something else; get another'
    return new NitkaError('unauthenticated', message, { field: 'ticket' })
  }

  #sweep(): void {
    const now = this.#clock.monotonic()
    for (const [key, ticket] of this.#tickets) {
      if (ticket.endsAt > now) return
      this.#drop(key, ticket)
    }
  }

  #drop(key: string, { who: { user } }: Ticket): void {
    this.#tickets.delete(key)
    const left = (this.#counts.get(user) ?? 1) - 1
    if (left === 0) this.#counts.delete(user)
    else this.#counts.set(user, left)
  }
}

function keyOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64')
}

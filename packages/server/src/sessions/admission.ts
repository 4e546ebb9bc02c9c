// Who may come in: how fast connections are taken, how many there may be, who each one is. The same for every transport
// that keeps connections.

import { deviceName, NitkaError } from '@nitka/protocol'
import type { TokenBucket } from '../token-bucket.ts'
import { type Authenticator, type Identity, nobody, refuseNameless, refuseUnknown, stranger } from './auth.ts'
import type { Endpoint, EndpointRequest } from './dialect.ts'
import type { Registry } from './registry.ts'
import type { Tickets } from './tickets.ts'

export interface Candidate {
  readonly endpoint: Pick<Endpoint, 'identity' | 'admit'>
  readonly asked: EndpointRequest
  /** As it was asked for, without the query. */
  readonly path: string
  readonly authorization: string | undefined
  /** The subprotocols that were offered. */
  readonly protocols: readonly string[]
  readonly address: string
}

export interface Admitted {
  /** Nobody in particular where that is fine; undefined while the first message may still say. */
  readonly who: Identity | undefined
  readonly device: string
}

export class Admission {
  readonly registry: Registry
  readonly #authenticator: Authenticator
  readonly #tickets: Tickets
  readonly #handshakes: TokenBucket

  constructor(parts: {
    authenticator: Authenticator
    tickets: Tickets
    registry: Registry
    handshakes: TokenBucket
  }) {
    this.registry = parts.registry
    this.#tickets = parts.tickets
    this.#authenticator = parts.authenticator
    this.#handshakes = parts.handshakes
  }

  /** Counts an attempt. @throws NitkaError `overloaded` too many at once */
  knock(): void {
    if (this.#handshakes.take() === 0) return
    this.#handshakes.giveBack()
    this.registry.refused++
    throw new NitkaError('overloaded', 'too many connections are being opened at once; come back in a moment')
  }

  /** @throws NitkaError why not */
  async admit(candidate: Candidate): Promise<Admitted> {
    const { endpoint, asked, address } = candidate
    const who = await this.#identify(candidate)
    const device = asked.query.get('device') ?? undefined
    if (device !== undefined) deviceName(device)
    this.registry.admit(who?.user, address)
    await endpoint.admit?.({ who: who ?? stranger, device }, asked)
    // Others may have come in while the endpoint was asked.
    this.registry.admit(who?.user, address)
    return { who, device: device ?? '' }
  }

  async #identify(candidate: Candidate): Promise<Identity | undefined> {
    const { endpoint, asked } = candidate
    const optional = endpoint.identity === 'optional'
    const later = endpoint.identity === 'later' && asked.rpc
    const who = await this.#offered(candidate)
    if (who === undefined) {
      if (optional && this.#authenticator.required !== true) return nobody
      return later ? undefined : refuseUnknown(this.#authenticator)
    }
    if (who.user === '' && !optional && !later) refuseNameless()
    return who
  }

  async #offered({ asked, path, authorization, protocols, address }: Candidate): Promise<Identity | undefined> {
    const { query } = asked
    const [ticket, another] = query.getAll('ticket')
    if (ticket === undefined) {
      return this.#authenticator.identify({ query, authorization, protocols, token: undefined, address })
    }
    if (another !== undefined) throw new NitkaError('invalid', 'ticket is given more than once', { field: 'ticket' })
    return this.#tickets.redeemAnywhere(ticket, path)
  }
}

// Who may come in: how fast connections are taken, how many there may be, who each one is. The same for every transport
// that keeps connections.

import { deviceName, NitkaError } from '@nitka/protocol'
import type { Authenticator } from './auth.ts'
import type { Endpoint, EndpointRequest } from './dialect.ts'
import type { Registry } from './registry.ts'
import type { TokenBucket } from './token-bucket.ts'

export interface Candidate {
  readonly endpoint: Pick<Endpoint, 'identity' | 'admit'>
  readonly asked: EndpointRequest
  readonly authorization: string | undefined
  /** The subprotocols that were offered. */
  readonly protocols: readonly string[]
  readonly address: string
}

export interface Admitted {
  /** '' for nobody in particular where that is fine; undefined while the first message may still say. */
  readonly user: string | undefined
  readonly device: string
}

export class Admission {
  readonly registry: Registry
  readonly #authenticator: Authenticator
  readonly #handshakes: TokenBucket

  constructor(parts: { authenticator: Authenticator; registry: Registry; handshakes: TokenBucket }) {
    this.registry = parts.registry
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
    const user = await this.#identify(candidate)
    const device = asked.query.get('device') ?? undefined
    if (device !== undefined) deviceName(device)
    this.registry.admit(user, address)
    await endpoint.admit?.({ user, device }, asked)
    // Others may have come in while the endpoint was asked.
    this.registry.admit(user, address)
    return { user, device: device ?? '' }
  }

  async #identify({ endpoint, asked, authorization, protocols }: Candidate): Promise<string | undefined> {
    const { query, rpc } = asked
    const user = await this.#authenticator.identify({ query, authorization, protocols, token: undefined })
    if (user !== undefined) return user
    if (endpoint.identity === 'optional') return ''
    if (endpoint.identity === 'later' && rpc) return undefined
    throw new NitkaError('unauthenticated', 'say who you are with ?user=', { field: 'user' })
  }
}

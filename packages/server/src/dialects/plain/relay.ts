// The relay in its plain dialect: every frame is a message, unchanged, its opcode kept.

import { type NitkaError, plainName } from '@nitka/protocol'
import type { Relay, RelayMember, RelayMessage } from '../../relay/relay.ts'
import { type Authorize, demand } from '../../sessions/auth.ts'
import type { Dialect, Endpoint } from '../../sessions/dialect.ts'
import type { Session } from '../../sessions/session.ts'
import { perFraming } from '../encoders.ts'

/** The channel of `/relay`. */
const defaultChannel = 'default'

const relayEncoder = perFraming<RelayMessage>((framing) => ({
  encode: (messages) => framing.payloads(messages),
}))

/** `/relay` and `/relay/:channel`. @param payloadBytesMax a larger frame closes with 1009, 0: no limit */
export function relayEndpoints(relay: Relay, authorize: Authorize, payloadBytesMax: number): Endpoint[] {
  const endpoint = (path: string): Endpoint => ({
    path,
    identity: 'optional',
    async admit(caller, { params }) {
      const channel = plainName(params.channel ?? defaultChannel, 'channel')
      await demand(authorize, caller.who, 'relay.join', channel)
    },
    open: (session, { params }) => new PlainRelay(session, relay, params.channel ?? defaultChannel, payloadBytesMax),
  })
  return [endpoint('/relay'), endpoint('/relay/:channel')]
}

class PlainRelay implements Dialect {
  readonly #session: Session
  readonly #relay: Relay
  readonly #member: RelayMember
  readonly #payloadBytesMax: number

  constructor(session: Session, relay: Relay, channel: string, payloadBytesMax: number) {
    this.#session = session
    this.#relay = relay
    this.#payloadBytesMax = payloadBytesMax
    this.#member = relay.join(channel, session, relayEncoder(session.wire.framing))
  }

  receiveText(text: Buffer): void {
    this.#publish(text, false)
  }

  receiveBinary(data: Buffer): void {
    this.#publish(data, true)
  }

  refuse(error: NitkaError): void {
    this.#session.close('policy', error.message)
  }

  draining(): void {
    // Plain clients have no word for it: the close code 1012 says it.
  }

  closed(): void {
    this.#relay.leave(this.#member)
  }

  #publish(data: Buffer, binary: boolean): void {
    if (this.#payloadBytesMax !== 0 && data.length > this.#payloadBytesMax) {
      this.#session.close('tooLarge', `a message may have at most ${this.#payloadBytesMax} bytes`)
      return
    }
    this.#relay.publish(this.#member.channel, data, binary, this.#member)
  }
}

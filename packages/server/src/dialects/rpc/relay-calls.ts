// relay.*

import { NitkaError } from '@nitka/protocol'
import { payloadText } from '../../log/payload.ts'
import type { Handlers, RpcContext } from './context.ts'
import { rpcRelayEncoder } from './encoders.ts'
import { demandSubscription } from './subscriptions.ts'

export const relayCalls: Handlers<'relay'> = {
  async 'relay.join'(context: RpcContext, { channel }: { channel: string }) {
    const { session, services, relays, permits } = context
    await permits.demand(session.who, 'relay.join', channel)
    if (relays.has(channel) || session.ended !== undefined) return { channel }
    demandSubscription(context)
    relays.set(channel, services.relay.join(channel, session, rpcRelayEncoder(session.wire.framing)))
    return { channel }
  },

  async 'relay.leave'({ services, relays, permits }: RpcContext, { channel }: { channel: string }) {
    await permits.turn()
    const member = relays.get(channel)
    if (member === undefined) return {}
    relays.delete(channel)
    services.relay.leave(member)
    return {}
  },

  'relay.publish'({ services, relays }: RpcContext, { channel, message }: { channel: string; message: unknown }) {
    const member = relays.get(channel)
    if (member === undefined) throw new NitkaError('forbidden', `join ${channel} before you publish there`)
    const text = payloadText(message, 'message', services.limits.payloadBytesMax)
    services.relay.publish(channel, Buffer.from(text), false, member)
    return {}
  },
}

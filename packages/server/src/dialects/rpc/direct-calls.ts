// direct.*

import { NitkaError, type Position, type UserId } from '@nitka/protocol'
import type { HistoryQuery } from '../../direct/direct.ts'
import { messageText } from '../../direct/messages.ts'
import type { MissingRange } from '../../log/log-store.ts'
import { nextOf } from '../../log/paging.ts'
import { Answer, type Handlers, RawJson, type RpcContext } from './context.ts'
import { rpcDirectEncoder } from './encoders.ts'
import { recoveryText } from './subscriptions.ts'

export const directCalls: Handlers<'direct'> = {
  async 'direct.send'(
    { session, services, permits }: RpcContext,
    params: { to: UserId; message: unknown; clientId?: string },
  ) {
    const { to, message, clientId } = params
    const permit = permits.demand(session.who, 'direct.send', String(to))
    if (permit !== undefined) await permit
    const sent = await services.direct.sendUser({ fromUser: session.user, toUser: to, message }, clientId)
    return { ...sent, time: new Date(sent.time).toISOString() }
  },

  async 'direct.resume'(
    context: RpcContext,
    { since, pending = false, confirms = false }: { since?: Position; pending?: boolean; confirms?: boolean },
  ) {
    if (pending && since !== undefined) {
      throw new NitkaError('invalid', 'since and pending exclude each other', { field: 'pending' })
    }
    const { session, services } = context
    const receiver = {
      recipient: session,
      encoder: rpcDirectEncoder(session.wire.framing),
      confirms,
      failed: context.failed,
      missing: (ranges: readonly MissingRange[]) => context.missing(`user:${session.user}`, ranges),
    }
    const joined = await services.direct.join(session.user, session.device, pending ? 'pending' : since, receiver)
    context.direct?.close()
    context.direct = joined
    if (session.ended !== undefined) joined.close()
    const messages = joined.entries.map(messageText).join(',')
    const from = joined.from === undefined ? '' : `"from":${joined.from},`
    const marker = `${from}"read":${joined.read},"unread":${joined.unread}`
    const upTo = joined.entries.at(-1)?.offset
    return new Answer(new RawJson(`{${recoveryText(joined)},${marker},"messages":[${messages}]}`), () => {
      if (upTo !== undefined) session.deliver(new Uint8Array(0), () => joined.took(upTo))
      joined.subscription.start()
    })
  },

  async 'direct.ack'({ session, services }: RpcContext, { offset }: { offset: number }) {
    await services.direct.acknowledge(session.user, session.device, offset)
    return {}
  },

  'direct.read'({ session, services }: RpcContext, { offset }: { offset: number }) {
    return services.direct.read(session.user, offset)
  },

  async 'direct.history'({ session, services }: RpcContext, params: Omit<HistoryQuery, 'with'> & { with?: UserId }) {
    const { with: partner, ...rest } = params
    const query: HistoryQuery = partner === undefined ? rest : { ...rest, with: String(partner) }
    const page = await services.direct.history(session.user, query)
    return new RawJson(`{"messages":[${page.entries.map(messageText).join(',')}],"next":${nextOf(page, query)}}`)
  },
}

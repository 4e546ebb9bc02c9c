// session.*

import { deviceName, NitkaError, protocolVersion } from '@nitka/protocol'
import { trace, traceAnswer, traceForUser } from '../../trace/trace.ts'
import type { Handlers, RpcContext } from './context.ts'

export const sessionCalls: Handlers<'session'> = {
  async 'session.hello'(context: RpcContext, params: { token?: string; version?: number; device?: string }) {
    const { session, services } = context
    if (params.version !== undefined && params.version > protocolVersion) {
      throw new NitkaError('invalid', `version ${params.version} is newer than this server's ${protocolVersion}`, {
        field: 'version',
      })
    }
    // A connection of nobody in particular may still say whose it is.
    if (!session.known || (session.user === '' && params.token !== undefined)) await identify(context, params.token)
    if (params.device !== undefined) session.device = deviceName(params.device)
    context.welcome()
    return {
      session: session.id,
      user: session.user,
      version: protocolVersion,
      node: services.node,
      durability: services.durability,
      pingMs: services.limits.pingMs,
      payloadBytesMax: services.limits.payloadBytesMax,
    }
  },

  'session.ping'({ services }: RpcContext) {
    return { time: new Date(services.now()).toISOString() }
  },

  async 'session.trace'({ session, services }: RpcContext, params: { id: string; room?: string }) {
    if (params.room === undefined) return traceAnswer(await traceForUser(services.store, session.user, params.id))
    await services.rooms.get(session.user, params.room)
    return traceAnswer(await trace(services.store, { kind: 'room', id: params.room }, params.id))
  },
}

async function identify({ session, services }: RpcContext, token: string | undefined): Promise<void> {
  const credentials = { query: new URLSearchParams(), authorization: undefined, protocols: [], token }
  const user = await services.authenticator.identify(credentials)
  if (user === undefined) throw new NitkaError('unauthenticated', 'token is missing', { field: 'token' })
  if (session.user === '') services.registry.identified(session, user)
}

// session.*

import { deviceName, NitkaError, protocolVersion } from '@nitka/protocol'
import { type RoomsOf, trace, traceAnswer, traceForUser } from '../../trace/trace.ts'
import type { Handlers, RpcContext } from './context.ts'

export const sessionCalls: Handlers<'session'> = {
  async 'session.hello'(context: RpcContext, params: { token?: string; version?: number; device?: string }) {
    const { session, services } = context
    if (params.version !== undefined && params.version > protocolVersion) {
      throw new NitkaError('invalid', `version ${params.version} is newer than this server's ${protocolVersion}`, {
        field: 'version',
      })
    }
    if (!session.known || params.token !== undefined) await identify(context, params.token)
    if (params.device !== undefined) session.device = deviceName(params.device)
    context.welcome()
    const { expiresAt } = session.who
    return {
      session: session.id,
      user: session.user,
      version: protocolVersion,
      node: services.node,
      durability: services.durability,
      pingMs: services.limits.pingMs,
      payloadBytesMax: services.limits.payloadBytesMax,
      callBytesMax: services.limits.messageBytesMax[session.wire.transport === 'tcp' ? 'tcp' : 'websocket'],
      ...(expiresAt === undefined
        ? {}
        : { expires: new Date(expiresAt).toISOString(), expiresInMs: Math.max(0, expiresAt - services.now()) }),
    }
  },

  'session.ping'({ services }: RpcContext) {
    return { time: new Date(services.now()).toISOString() }
  },

  async 'session.trace'({ session, services }: RpcContext, params: { id: string; room?: string }) {
    if (params.room === undefined) {
      const roomsOf: RoomsOf = (user, after) => services.rooms.list(user, after)
      return traceAnswer(await traceForUser(services.store, session.user, params.id, roomsOf))
    }
    await services.rooms.get(session.user, params.room)
    return traceAnswer(await trace(services.store, { kind: 'room', id: params.room }, params.id))
  },
}

/**
 * Takes what a token says: whose a connection is that nobody was named for, or for how much longer it is the same user's.
 * @throws NitkaError `unauthenticated`, `forbidden`
 */
async function identify({ session, services }: RpcContext, token: string | undefined): Promise<void> {
  // Without an end there is nothing to renew.
  const settled = (): boolean => session.user !== '' && session.who.expiresAt === undefined
  if (settled()) return
  const address = session.wire.remoteAddress
  const credentials = { query: new URLSearchParams(), authorization: undefined, protocols: [], token, address }
  const who = await services.authenticator.identify(credentials)
  if (who === undefined) {
    const hint = services.authenticator.hint ?? 'say who you are with ?user= in the address, or with a token'
    throw new NitkaError('unauthenticated', hint, { field: 'token' })
  }
  // Another hello may have been answered meanwhile.
  if (settled()) return
  const { expiresAt } = session.who
  if (!session.known || expiresAt === undefined) return services.registry.identified(session, who)
  if (who.user !== session.user) {
    throw new NitkaError('forbidden', 'the token is of another user; open another connection', { field: 'token' })
  }
  // Who renews twice at once keeps the longer one.
  if ((who.expiresAt ?? Number.POSITIVE_INFINITY) >= expiresAt) session.identify(who)
}

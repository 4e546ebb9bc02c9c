// pools.*

import { poolCalls } from '../../pools/calls.ts'
import type { Handler, Handlers, RpcContext } from './context.ts'

/** The parameters were checked; holds belong to the connection. */
export const rpcPoolCalls = Object.fromEntries(
  Object.entries(poolCalls).map(([name, { action, binds, run }]): [string, Handler] => [
    name,
    async ({ session, services, permits }: RpcContext, params: { readonly pool?: string }) => {
      await permits.demand(session.who, action, params.pool ?? '')
      if (binds && session.ended !== undefined) return {}
      return run(services, { user: session.user, owner: session }, params as never)
    },
  ]),
) as Handlers<'pools'>

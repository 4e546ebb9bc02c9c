// requests.*

import { resultJson } from '../../requests/result.ts'
import { type Handlers, RawJson, type RpcContext } from './context.ts'

export const requestCalls: Handlers<'requests'> = {
  async 'requests.call'(context: RpcContext, { type, payload }: { type: string; payload?: unknown }) {
    await context.permits.demand(context.session.who, 'requests.call', type)
    // As whatever waits when its connection ends.
    if (context.session.ended !== undefined) return {}
    return new RawJson(`{"result":${resultJson(await context.asking.ask(type, payload))}}`)
  },

  async 'requests.execute'(context: RpcContext, { type, concurrency = 1 }: { type: string; concurrency?: number }) {
    await context.permits.demand(context.session.who, 'requests.execute', type)
    if (context.session.ended === undefined) context.asking.execute(type, concurrency)
    return { type }
  },

  async 'requests.stop'({ asking, permits }: RpcContext, { type }: { type: string }) {
    await permits.turn()
    asking.stop(type)
    return {}
  },

  'requests.result'({ asking }: RpcContext, { id, ...outcome }: { id: number; result?: unknown; error?: string }) {
    return { heard: asking.result(id, outcome) }
  },

  async 'requests.queue'({ session, services, permits }: RpcContext) {
    await permits.demand(session.who, 'requests.read', '')
    return { queue: services.requests.types() }
  },
}

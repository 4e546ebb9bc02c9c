// What a join answers, and how many joins a connection may have.

import { NitkaError } from '@nitka/protocol'
import type { Joined } from '../../log/log.ts'
import type { RpcContext } from './context.ts'

/** @throws NitkaError `overloaded` at the limit of subscriptions per connection */
export function demandSubscription({ relays, rooms, joining, services }: RpcContext): void {
  const { subscriptionsMax } = services.limits
  if (subscriptionsMax === 0 || relays.size + rooms.size + joining.size < subscriptionsMax) return
  throw new NitkaError('overloaded', `a connection may have at most ${subscriptionsMax} subscriptions`)
}

/** The verdict and where the log stands, as the inside of a JSON object. */
export function recoveryText({ recovery, state }: Joined): string {
  const { epoch, head, headId, first } = state
  return JSON.stringify({ ...recovery, epoch, head, headId, first }).slice(1, -1)
}

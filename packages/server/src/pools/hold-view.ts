// A hold as its holder sees it, and the refusal of who gets none.

import { NitkaError } from '@nitka/protocol'
import type { Hold, Pool } from './pool.ts'

export interface HoldView {
  readonly hold: string
  readonly pool: string
  readonly resources: readonly { readonly id: string; readonly data?: unknown }[]
  /** Grows with every hold. */
  readonly token: number
  /** Wall time. */
  readonly until: number
}

export function viewOf({ id: hold, pool, resources, token, until }: Hold): HoldView {
  return {
    ...{ hold, pool: pool.name, token, until },
    resources: resources.map(({ id, data }) => (data === undefined ? { id } : { id, data })),
  }
}

export function busy(pool: Pool, count: number): NitkaError {
  const total = pool.resources.size
  return new NitkaError('busy', `${count} of ${pool.name} wanted, ${pool.free} of ${total} free`, { field: 'count' })
}

// A hold as its holder sees it, and the refusal of who gets none.

import { NitkaError } from '@nitka/protocol'
import type { Hold, Pool } from './pool.ts'

/** A hold. */
export interface HoldView {
  /** Its id. */
  readonly hold: string
  readonly pool: string
  readonly resources: readonly { readonly id: string; readonly data?: unknown }[]
  /** Larger than that of any hold before, also over restarts. */
  readonly token: number
  /** Wall time of its end, milliseconds since 1970. */
  readonly until: number
  /** Until then, in milliseconds. */
  readonly leftMs: number
}

/** @param now monotonic */
export function viewOf({ id: hold, pool, resources, token, until, ends }: Hold, now: number): HoldView {
  return {
    ...{ hold, pool: pool.name, token, until, leftMs: Math.max(0, Math.floor(ends - now)) },
    resources: resources.map(({ id, data }) => (data === undefined ? { id } : { id, data })),
  }
}

export function busy(pool: Pool, count: number): NitkaError {
  const total = pool.resources.size
  return new NitkaError('busy', `${count} of ${pool.name} wanted, ${pool.free} of ${total} free`, { field: 'count' })
}

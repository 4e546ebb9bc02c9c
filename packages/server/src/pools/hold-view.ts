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
  /** How long this answer took, waiting in line included. Whoever counts `leftMs` from that long after asking never counts too much. */
  readonly waitedMs: number
  /** How long it outlives its connection, when that is lost. Absent: it is not bound to one. */
  readonly graceMs?: number
}

/** @param times monotonic: now, and when it was asked */
export function viewOf(
  { id: hold, pool, resources, token, until, ends, owner }: Hold,
  times: { readonly now: number; readonly askedAt: number },
  graceMs: number,
): HoldView {
  const { now, askedAt } = times
  return {
    ...{ hold, pool: pool.name, token, until, leftMs: Math.max(0, Math.floor(ends - now)) },
    ...{ waitedMs: Math.floor(now - askedAt), ...(owner === undefined ? {} : { graceMs }) },
    resources: resources.map(({ id, data }) => (data === undefined ? { id } : { id, data })),
  }
}

export function busy(pool: Pool, count: number): NitkaError {
  const total = pool.resources.size
  return new NitkaError('busy', `${count} of ${pool.name} wanted, ${pool.free} of ${total} free`, { field: 'count' })
}

// A pool as people see it.

import type { Pool } from './pool.ts'

const shownMax = 500

/** @param now monotonic */
export function poolStatus(pool: Pool, now: number): object {
  const holds = [...pool.holds].slice(0, shownMax).map(({ id, user, resources, token, since, until, owner }) => ({
    ...{ hold: id, user, resources: resources.map((resource) => resource.id), token },
    ...{ since: new Date(since).toISOString(), until: new Date(until).toISOString(), attached: owner !== undefined },
  }))
  const waiting: object[] = []
  for (const { user, count, since } of pool.inLine()) {
    if (waiting.length === shownMax) break
    waiting.push({ user, count, waitedMs: Math.round(now - since) })
  }
  const { name, free } = pool
  const total = pool.resources.size
  return { pool: name, total, free, holding: pool.holds.size, waiters: pool.waiting, holds, waiting }
}

/** A pool in a list. */
export function poolLine({ name, resources, free, holds, waiting }: Pool) {
  return { pool: name, total: resources.size, free, holding: holds.size, waiters: waiting }
}

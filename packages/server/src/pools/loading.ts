// What the store knows of pools, when a server starts: resources, and holds that last on.

import type { Holds } from './holds.ts'
import { type Hold, type Pool, removedResource } from './pool.ts'
import { readRecord, storedHolds } from './records.ts'
import type { PoolsParts } from './terms.ts'

/** @param poolOf makes a pool that is not there yet */
export async function loadPools(parts: PoolsParts, holds: Holds, poolOf: (name: string) => Pool): Promise<void> {
  const { store, clock, connections } = parts
  const records = await store.load()
  for (const record of records) {
    if (record.kind !== 'resource') continue
    const { data } = readRecord<{ data?: unknown }>(record, 'resource')
    poolOf(record.pool).add(record.id, data)
  }
  for (const { id, pool: name, connection, ...stored } of storedHolds(records)) {
    const pool = poolOf(name)
    const ends = clock.monotonic() + Math.max(0, stored.until - clock.now())
    const resources = stored.resources.map((resource) => pool.resources.get(resource) ?? removedResource(resource))
    for (const resource of resources) pool.occupy(resource)
    const hold: Hold = { ...stored, id, pool, resources, ends, full: ends, owner: undefined }
    holds.add(hold)
    const owner = connection === undefined ? undefined : connections?.named(connection)
    if (owner !== undefined) holds.own(hold, owner)
  }
}

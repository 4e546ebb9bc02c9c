// Pools as they are stored.

import { NitkaError } from '@nitka/protocol'
import type { Booking } from './calendar.ts'
import type { Hold, Resource } from './pool.ts'
import type { PoolRecord, PoolRecordKind } from './pool-store.ts'

interface StoredHold {
  readonly user: string
  readonly resources: readonly string[]
  readonly token: number
  readonly since: number
  readonly until: number
  readonly detached: boolean
  /** Among several nodes, the connection that it ends with. */
  readonly connection?: string
}

export type StoredBooking = Omit<Booking, 'id' | 'pool'>

export function resourceRecord(pool: string, { id, data }: Resource): PoolRecord {
  return { kind: 'resource', pool, id, value: JSON.stringify(data === undefined ? {} : { data }) }
}

export function holdRecord(hold: Hold, connection: string | undefined): PoolRecord {
  const { id, pool, user, resources, token, since, until, detached } = hold
  const stored: StoredHold = {
    ...{ user, resources: resources.map((one) => one.id), token, since, until, detached },
    ...(connection === undefined ? {} : { connection }),
  }
  return { kind: 'hold', pool: pool.name, id, value: JSON.stringify(stored) }
}

export function bookingRecord({ id, pool, ...stored }: Booking): PoolRecord {
  return { kind: 'booking', pool, id, value: JSON.stringify(stored satisfies StoredBooking) }
}

/** The holds among the records, in the order in which they were taken. @throws NitkaError `damaged` */
export function storedHolds(
  records: readonly PoolRecord[],
): (StoredHold & { readonly id: string; readonly pool: string })[] {
  const holds = records.filter(({ kind }) => kind === 'hold')
  const stored = holds.map((record) => {
    const { id, pool } = record
    return { ...readRecord<StoredHold>(record, 'hold'), id, pool }
  })
  return stored.sort((a, b) => a.token - b.token)
}

/** The value of a record, which is what this file wrote. @throws NitkaError `damaged` */
export function readRecord<Value>({ kind, pool, id, value }: PoolRecord, expected: PoolRecordKind): Value {
  if (kind !== expected) throw new NitkaError('damaged', `the record ${id} of the pool ${pool} is no ${expected}`)
  return JSON.parse(value) as Value
}

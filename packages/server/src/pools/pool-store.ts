// The port that `pools/` needs of an engine: small records, read once at the start, written in order. The node that works with
// the pools has everything in memory. Conformance: engines/conformance/pool-store.ts.

/** What a record of pools is. */
export type PoolRecordKind = 'resource' | 'hold' | 'booking'

/** What the store keeps of a resource, a hold or a booking. */
export interface PoolRecord {
  readonly kind: PoolRecordKind
  readonly pool: string
  /** 1 to 128 bytes. */
  readonly id: string
  /** A JSON value as text. */
  readonly value: string
}

/** One change of what the store keeps of pools. */
export type PoolWrite = PoolRecord | Omit<PoolRecord, 'value'>

/** The right by which a node writes: that it has the unit under this fence. */
export interface Guard {
  readonly unit: string
  readonly node: string
  readonly fence: number
}

/** The port of pools: records that are written durably, and read at the start. */
export interface PoolStore {
  /** All records, once, at the start. */
  load(): Promise<readonly PoolRecord[]>
  /** Writes, or removes what has no value: all or nothing, after all earlier calls. Resolves when durable. */
  save(writes: readonly PoolWrite[]): Promise<void>
  /**
   * Fencing numbers that were never given out before, also not before a restart or in the past that a backup took back: from
   * here on, `count` of them are this caller's. Resolves when that is durable.
   */
  tokens(count: number): Promise<number>
  /**
   * The same store, but nothing is written and no number given once the unit is another's: `conflict` then. Decided
   * with the write, as one. After a write that failed, or may have, all later ones are refused, those that wait already
   * included: what is stored is what was asked up to some call. An engine of one node gives itself.
   */
  under(guard: Guard): PoolStore
}

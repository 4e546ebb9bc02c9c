// The port that `pools/` needs of an engine: small records, read once at the start, written in order. Which node works with a
// pool is not its business; that node has everything in memory. Conformance: engines/conformance/pool-store.ts.

export type PoolRecordKind = 'resource' | 'hold' | 'booking'

export interface PoolRecord {
  readonly kind: PoolRecordKind
  readonly pool: string
  /** 1 to 128 bytes. */
  readonly id: string
  /** A JSON value as text. */
  readonly value: string
}

export type PoolWrite = PoolRecord | Omit<PoolRecord, 'value'>

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
}

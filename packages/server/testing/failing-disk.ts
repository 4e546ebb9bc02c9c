// A disk that fails when told to, in the places where real ones do: before a batch reached it, after, or while reading.

import type { Disk, Row, Scan, View, Write } from '../src/engines/embedded/disk.ts'

export interface FailingDiskPlan {
  /** Which batch fails, counted from 1 from the wrapping on. */
  readonly batch?: number
  /** Whether the failing batch is on the disk all the same. */
  readonly applied?: boolean
  /** Which read (of either kind) fails, counted from 1. */
  readonly read?: number
}

/** Passes everything to `inner` except what the plan lets fail. After a failed batch it keeps count of further ones. */
export class FailingDisk implements Disk {
  /** Batches that came after the one that failed: a store that fails stop sends none. */
  batchesAfterFailure = 0
  batches = 0
  reads = 0
  readonly #inner: Disk
  readonly #plan: FailingDiskPlan

  constructor(inner: Disk, plan: FailingDiskPlan) {
    this.#inner = inner
    this.#plan = plan
  }

  async batch(writes: Write[], sync: boolean): Promise<void> {
    this.batches += 1
    if (this.#plan.batch !== undefined && this.batches > this.#plan.batch) this.batchesAfterFailure += 1
    if (this.batches !== this.#plan.batch) return this.#inner.batch(writes, sync)
    if (this.#plan.applied === true) await this.#inner.batch(writes, sync)
    throw new Error('IO error: injected')
  }

  getMany(keys: readonly Buffer[], view?: View): Promise<(Buffer | undefined)[]> {
    return this.#read(() => this.#inner.getMany(keys, view))
  }

  scan(scan: Scan): Promise<readonly Row[]> {
    return this.#read(() => this.#inner.scan(scan))
  }

  view(): View {
    return this.#inner.view()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #read<Result>(read: () => Promise<Result>): Promise<Result> {
    this.reads += 1
    if (this.reads === this.#plan.read) throw new Error('IO error: injected')
    return read()
  }
}

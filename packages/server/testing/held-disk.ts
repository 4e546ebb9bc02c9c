// A disk that stands still when told to: batches are begun and do not end until they are released.

import type { Disk, Row, Scan, View, Write } from '../src/engines/embedded/disk.ts'
import { Held } from './late.ts'

export class HeldDisk implements Disk {
  /** Keeps back the ends of batches. */
  readonly batches = new Held()
  readonly #inner: Disk

  constructor(inner: Disk) {
    this.#inner = inner
  }

  async batch(writes: Write[], sync: boolean): Promise<void> {
    return this.batches.pass(await this.#inner.batch(writes, sync))
  }

  getMany(keys: readonly Buffer[], view?: View): Promise<(Buffer | undefined)[]> {
    return this.#inner.getMany(keys, view)
  }

  scan(scan: Scan): Promise<readonly Row[]> {
    return this.#inner.scan(scan)
  }

  view(): View {
    return this.#inner.view()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

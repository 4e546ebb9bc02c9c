// The reserve: writing stops before the disk is full, because a failed append ends the engine while a refusal does not.

import { statfs } from 'node:fs/promises'
import { NitkaError } from '@nitka/protocol'
import type { Clock } from '../../world.ts'

const mebibyte = 1024 * 1024
const checkMs = 1_000
/** Two percent of a very large disk are more than a reserve has to be. */
const shareBytesMax = 8 * 1024 * mebibyte

/** Says what the disk of a folder has free. */
export type FreeSpace = (folder: string) => Promise<{ readonly freeBytes: number; readonly totalBytes: number }>

export const realFreeSpace: FreeSpace = async (folder) => {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

/** Watches the free space of the store's disk. */
export class Space {
  readonly #folder: string
  readonly #reserveBytes: number | undefined
  readonly #clock: Clock
  readonly #freeSpace: FreeSpace
  #checkedAt = Number.NEGATIVE_INFINITY
  #low: string | undefined

  /** @param reserveBytes 0: never refuses. Undefined: 256 MiB, or 2 % of the disk (at most 8 GiB) when that is more. */
  constructor(folder: string, reserveBytes: number | undefined, clock: Clock, freeSpace: FreeSpace) {
    this.#folder = folder
    this.#reserveBytes = reserveBytes
    this.#clock = clock
    this.#freeSpace = freeSpace
  }

  /** Why writes are refused now; undefined while there is room. */
  get low(): string | undefined {
    return this.#low
  }

  /** Whether `check` would ask the disk. */
  get due(): boolean {
    return this.#reserveBytes !== 0 && this.#clock.monotonic() - this.#checkedAt >= checkMs
  }

  /** Asks the disk, at most once a second. A disk that does not answer keeps the last answer. */
  async check(): Promise<void> {
    if (!this.due) return
    this.#checkedAt = this.#clock.monotonic()
    try {
      const { freeBytes, totalBytes } = await this.#freeSpace(this.#folder)
      const share = Math.min(totalBytes * 0.02, shareBytesMax)
      const reserve = this.#reserveBytes ?? Math.max(256 * mebibyte, share)
      const shown = (bytes: number) => `${Math.floor(bytes / mebibyte)} MiB`
      this.#low =
        freeBytes < reserve
          ? `disk almost full: ${shown(freeBytes)} free, ${shown(reserve)} kept in reserve`
          : undefined
    } catch {
      // Not every file system tells; the store then fails stop when the disk is full.
    }
  }

  refusal(): NitkaError {
    return new NitkaError('unavailable', this.#low ?? 'disk almost full')
  }
}

// LevelDB begins a new log when the old one is full, and acknowledges what is in it before its name is on disk: that follows
// with the next table. Until then only the folder's being synced makes sure that the log is found after a power cut.

import { close, closeSync, fstatSync, fsync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isUnsyncable } from './folders.ts'

/** Follows which log LevelDB writes to. */
export class Rotation {
  readonly #folder: string
  readonly #handle: number
  #log: number | undefined
  /** How long the log was after the last batch. */
  #bytes = 0

  constructor(folder: string) {
    this.#folder = folder
    this.#handle = openSync(folder, 'r')
  }

  /** After each synced batch, one at a time: when it did not go to the log of the one before, it went to a new one. */
  async follow(): Promise<void> {
    const bytes = this.#log === undefined ? 0 : fstatSync(this.#log).size
    if (bytes > this.#bytes) {
      this.#bytes = bytes
      return
    }
    try {
      await promisify(fsync)(this.#handle)
    } catch (thrown) {
      if (!isUnsyncable(thrown)) throw thrown
    }
    const logs = readdirSync(this.#folder).filter((name) => name.endsWith('.log'))
    const newest = logs.reduce((one, other) => (Number.parseInt(other, 10) > Number.parseInt(one, 10) ? other : one))
    if (this.#log !== undefined) close(this.#log)
    this.#log = openSync(join(this.#folder, newest), 'r')
    this.#bytes = fstatSync(this.#log).size
  }

  close(): void {
    closeSync(this.#handle)
    if (this.#log !== undefined) closeSync(this.#log)
    this.#log = undefined
  }
}

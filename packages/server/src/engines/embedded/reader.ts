// Reads: each on one view of the store, a few at a time, every value checked. An error of the disk ends the engine here
// as it does when writing.

import { NitkaError } from '@nitka/protocol'
import { Gate } from '../../gate.ts'
import type { EngineCounters } from '../engine.ts'
import type { Disk, Row, Scan, View } from './disk.ts'
import type { Health } from './health.ts'
import { unseal } from './values.ts'

/** Reads at a time: commits share the four threads that libuv has, and one is left for them. */
const readsMax = 3
/** Reads that wait for their turn. */
const readsWaitingMax = 10_000

export class Reader {
  readonly counters: EngineCounters
  readonly #disk: Disk
  readonly #health: Health
  readonly #gate = new Gate(readsMax, readsWaitingMax)

  constructor(disk: Disk, health: Health, counters: EngineCounters) {
    this.#disk = disk
    this.#health = health
    this.counters = counters
  }

  /** Runs `task` on a view that no later write changes. */
  view<Result>(task: (view: ReadView) => Promise<Result>): Promise<Result> {
    return this.#gate.run(async () => {
      this.#health.check()
      let view: View | undefined
      try {
        view = this.#disk.view()
        return await task(new ReadView(this.#disk, view, this.counters))
      } catch (thrown) {
        if (thrown instanceof NitkaError) throw thrown
        this.counters.failures += 1
        this.#health.fail(thrown)
        throw this.#health.refusal()
      } finally {
        await view?.close()
      }
    })
  }

  idle(): Promise<void> {
    return this.#gate.idle()
  }
}

/** The store at one moment. */
export class ReadView {
  readonly #disk: Disk
  readonly #view: View
  readonly #counters: EngineCounters

  constructor(disk: Disk, view: View, counters: EngineCounters) {
    this.#disk = disk
    this.#view = view
    this.#counters = counters
  }

  /** Sealed values: for those who can say what is missing when one is damaged. */
  sealed(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    return this.#disk.getMany(keys, this.#view)
  }

  rows(scan: Omit<Scan, 'view'>): Promise<readonly Row[]> {
    return this.#disk.scan({ ...scan, view: this.#view })
  }

  /** @throws NitkaError `damaged` */
  async bodies(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    const values = await this.sealed(keys)
    return keys.map((key, i) => {
      const value = values[i]
      return value === undefined ? undefined : this.open(key, value)
    })
  }

  /** @throws NitkaError `damaged` */
  async body(key: Buffer): Promise<Buffer | undefined> {
    return (await this.bodies([key]))[0]
  }

  /** @throws NitkaError `damaged` */
  open(key: Buffer, value: Buffer): Buffer {
    const body = this.opened(key, value)
    if (body === undefined) throw new NitkaError('damaged', 'a record of the store failed its checksum')
    return body
  }

  /** The body, undefined and counted when it is damaged. */
  opened(key: Buffer, value: Buffer): Buffer | undefined {
    const body = unseal(key, value)
    if (body === undefined) this.#counters.damaged += 1
    return body
  }
}

// Verifies in the background the tables that were not verified before opening, a little at a time. Damage ends the engine:
// what it hides cannot be told from what never was.

import type { Clock, Timer } from '../../world.ts'
import type { EngineCounters } from '../engine.ts'
import type { Health } from './health.ts'
import { type TableFile, verifyTable } from './tables.ts'

/** One table, about 2 MiB, each time: 20 MiB/s, 2 % of a core. */
const everyMs = 100

export class Scrub {
  readonly #files: TableFile[]
  readonly #health: Health
  readonly #counters: EngineCounters
  #timer: Timer | undefined
  #busy = false

  constructor(files: readonly TableFile[], health: Health, counters: EngineCounters, clock: Clock) {
    this.#files = [...files]
    this.#health = health
    this.#counters = counters
    if (files.length > 0) this.#timer = clock.every(everyMs, () => void this.#next())
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  async #next(): Promise<void> {
    if (this.#busy) return
    const file = this.#files.shift()
    if (file === undefined) return this.close()
    this.#busy = true
    const problem = await verifyTable(file).catch((thrown: unknown) => `cannot read ${file.name}: ${String(thrown)}`)
    this.#busy = false
    if (problem === undefined || this.#timer === undefined) return
    this.#counters.damaged += 1
    this.#health.fail(new Error(problem))
    this.close()
  }
}

// How far long work has come, on standard error: a bar at a terminal, elsewhere a line now and then.

import type { Clock } from '../world.ts'
import { styled } from './style.ts'

const barWidth = 24
const redrawMs = 100
const lineMs = 10_000

export class Progress {
  readonly #what: string
  readonly #total: number
  readonly #clock: Clock
  readonly #stream: NodeJS.WriteStream
  readonly #everyMs: number
  #toldAt: number
  #drawn = false

  /**
   * @param what `exporting`
   * @param total of the same kind as what `at` is told; 0: nobody knows
   */
  constructor(what: string, total: number, clock: Clock, stream: NodeJS.WriteStream = process.stderr) {
    this.#what = what
    this.#total = total
    this.#clock = clock
    this.#stream = stream
    this.#everyMs = stream.isTTY ? redrawMs : lineMs
    this.#toldAt = clock.monotonic()
  }

  /** Runs often, and mostly does nothing. `said`: what has been done, for people. */
  at(done: number, said: string): void {
    const now = this.#clock.monotonic()
    if (now - this.#toldAt < this.#everyMs) return
    this.#toldAt = now
    const part = this.#total === 0 ? undefined : Math.min(1, done / this.#total)
    const percent = part === undefined ? '' : ` ${Math.floor(part * 100)} %`
    if (!this.#stream.isTTY) {
      this.#stream.write(`nitka: ${this.#what}${percent}, ${said}\n`)
      return
    }
    const full = Math.round((part ?? 0) * barWidth)
    const filled = styled('green', '█'.repeat(full), this.#stream)
    const bar = part === undefined ? '' : ` ${filled}${'░'.repeat(barWidth - full)}`
    this.#stream.write(`\r\u001b[2K${this.#what}${bar}${percent}  ${said}`)
    this.#drawn = true
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[2K')
    this.#drawn = false
  }
}

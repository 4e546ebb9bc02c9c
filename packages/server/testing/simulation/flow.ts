// One direction of a connection: bytes that were sent and have not arrived. They arrive later, in pieces, in order, as far as
// the other end takes them.

import type { SimulatedClock } from '../clock.ts'
import type { Chance } from './chance.ts'

export interface NetworkRules {
  /** How long a piece is on its way, at most. */
  readonly latencyMs: number
  /** So often of a hundred times a piece is only some bytes long. */
  readonly slicedPercent: number
  /** So much may be on its way before the sender has to wait. */
  readonly windowBytes: number
}

/** The other end. */
export interface FlowEnd {
  /** False: no more until `resume`. */
  take(bytes: Buffer): boolean
  ended(): void
}

export class Flow {
  /** Called when a sender that had to wait may go on. */
  onRoom: (() => void) | undefined
  /** Called when something is sent although the other end is gone. */
  onRefused: (() => void) | undefined
  readonly #clock: SimulatedClock
  readonly #chance: Chance
  readonly #rules: NetworkRules
  readonly #end: FlowEnd
  #queue: Buffer[] = []
  #bytes = 0
  #ending = false
  #moving = false
  #wanted = true
  #frozen = false
  #over = false

  constructor(clock: SimulatedClock, chance: Chance, rules: NetworkRules, end: FlowEnd) {
    this.#clock = clock
    this.#chance = chance
    this.#rules = rules
    this.#end = end
  }

  get hasRoom(): boolean {
    return this.#bytes < this.#rules.windowBytes
  }

  get waitingBytes(): number {
    return this.#bytes
  }

  push(bytes: Uint8Array): void {
    if (this.#over) this.onRefused?.()
    if (this.#over || this.#ending) return
    this.#queue.push(Buffer.from(bytes))
    this.#bytes += bytes.length
    this.#move(true)
  }

  /** The last byte was sent. */
  end(): void {
    this.#ending = true
    this.#move(true)
  }

  /** The other end takes bytes again. */
  resume(): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#move(false)
  }

  pause(): void {
    this.#wanted = false
  }

  /** What is on its way never arrives, and nobody is told. */
  freeze(): void {
    this.#frozen = true
  }

  /** Of what is on its way, this much arrives now; the rest is lost. */
  cut(share: number): void {
    if (this.#over) return
    const all = Buffer.concat(this.#queue)
    const kept = this.#frozen || !this.#wanted ? 0 : Math.floor(all.length * share)
    this.#over = true
    this.#queue = []
    this.#bytes = 0
    if (kept > 0) this.#end.take(all.subarray(0, kept))
  }

  #move(fresh: boolean): void {
    if (this.#moving || this.#frozen || this.#over || !this.#wanted) return
    if (this.#bytes === 0 && !this.#ending) return
    this.#moving = true
    const { latencyMs } = this.#rules
    this.#clock.after(fresh ? this.#chance.fraction() * latencyMs : this.#chance.fraction(), () => this.#arrive())
  }

  #arrive(): void {
    this.#moving = false
    if (this.#frozen || this.#over || !this.#wanted) return
    if (this.#bytes === 0) {
      this.#over = true
      this.#end.ended()
      return
    }
    const had = this.hasRoom
    if (!this.#end.take(this.#piece())) this.#wanted = false
    if (!had && this.hasRoom) this.onRoom?.()
    this.#move(false)
  }

  #piece(): Buffer {
    const sliced = this.#chance.percent(this.#rules.slicedPercent)
    const all = this.#queue.length === 1 ? (this.#queue[0] as Buffer) : Buffer.concat(this.#queue)
    const length = sliced ? Math.min(all.length, this.#chance.between(1, 40)) : Math.min(all.length, 65_536)
    const rest = all.subarray(length)
    this.#queue = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return all.subarray(0, length)
  }
}

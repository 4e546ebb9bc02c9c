// The right of this node to answer a type, among several nodes: wished for while it has executors, and given back only when
// nothing runs any more, so that the next node begins nothing beside it.

import type { Claim, Ownership } from '../nodes/ownership.ts'
import type { Clock } from '../world.ts'
import type { Right } from './type-queue.ts'

/** How long what runs may take until the type is given to another node. What still runs then is ended. */
const handOverMs = 5_000

export interface TypeClaimParts {
  readonly ownership: Ownership
  readonly clock: Clock
  /** The type is this node's, or may be again. */
  readonly gained: () => void
  /** It is not, or nothing more is to begin: what waits is to be asked elsewhere. */
  readonly leaving: () => void
  /** It is another node's: what runs is to end now. */
  readonly lost: () => void
  readonly running: () => number
}

/** What of a type a node claims. */
export function unitOf(type: string): string {
  return `request:${type}`
}

export class TypeClaim implements Right {
  readonly #type: string
  readonly #parts: TypeClaimParts
  #claim: Claim | undefined
  /** The type is being given back. */
  #releasing = false
  #wished = false
  /** Monotonic: it is given back then at the latest. */
  #leavesAt: number | undefined

  constructor(type: string, parts: TypeClaimParts) {
    this.#type = type
    this.#parts = parts
  }

  get fence(): number | undefined {
    return this.#claim?.fence
  }

  get begins(): boolean {
    return this.#leavesAt === undefined
  }

  /** Whether the type is wished for, had or not. */
  get wished(): boolean {
    return this.#wished
  }

  /** Whether this node neither has the type nor wishes it. */
  get over(): boolean {
    return this.#claim === undefined && !this.#wished && !this.#releasing
  }

  wish(): void {
    this.#wished = true
    this.#leavesAt = undefined
    // Not before it is known to be given back: the record might still say that it is this node's.
    if (this.#releasing) return
    const { ownership, gained, leaving, lost } = this.#parts
    this.#claim ??= ownership.claim(unitOf(this.#type), {
      gained,
      lost: () => {
        lost()
        leaving()
        // Its executor may still be at it, so the next request begins under another fence, here or elsewhere.
        void this.#release()
      },
    })
    gained()
  }

  /** Begins nothing more, and gives the type back when nothing runs. */
  leave(): void {
    if (!this.#wished) return
    this.#wished = false
    const { clock, leaving } = this.#parts
    if (this.#claim !== undefined) this.#leavesAt = clock.monotonic() + handOverMs
    leaving()
    this.check()
  }

  /** Looks whether the type can be given back. */
  check(): void {
    const { clock, running } = this.#parts
    if (this.#leavesAt === undefined || (running() > 0 && clock.monotonic() < this.#leavesAt)) return
    void this.giveBack()
  }

  /** Gives the type back now. Resolves when another node can have it. */
  async giveBack(): Promise<void> {
    this.#wished = false
    this.#leavesAt = undefined
    if (this.#claim === undefined) return
    const released = this.#release()
    this.#parts.lost()
    this.#parts.leaving()
    await released
  }

  async #release(): Promise<void> {
    const claim = this.#claim
    this.#claim = undefined
    this.#releasing = true
    await claim?.release()
    this.#releasing = false
    if (this.#wished) this.wish()
  }
}

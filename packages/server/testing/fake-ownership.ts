// Ownership without a database: several nodes of one process, on the simulated clock. What the record says each node hears a
// little later; who had a unit knows that it has it no more before another one gets it.

import { NitkaError } from '@nitka/protocol'
import type { Claim, ClaimEvents, Owner, Ownership } from '../src/nodes/ownership.ts'
import type { Clock } from '../src/world.ts'

interface Wish {
  readonly node: FakeOwnership
  readonly unit: string
  readonly events: ClaimEvents
  /** What its node knows, and what the record says. */
  fence: number | undefined
  granted: number | undefined
}

/** The record that the nodes share. */
export class FakeOwners {
  readonly #clock: Clock
  readonly #nodes = new Set<FakeOwnership>()
  readonly #owners = new Map<string, Owner>()
  /** In the order of their coming. */
  #wishes: Wish[] = []
  #fence = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param hearsMs how much later the node hears of what changed */
  node(name: string, hearsMs = 0): FakeOwnership {
    const node = new FakeOwnership(name, this, { clock: this.#clock, hearsMs })
    this.#nodes.add(node)
    this.#tell()
    return node
  }

  get nodes(): ReadonlySet<string> {
    return new Set([...this.#nodes].map(({ node }) => node))
  }

  owner(unit: string): Owner | undefined {
    return this.#owners.get(unit)
  }

  get owners(): ReadonlyMap<string, Owner> {
    return this.#owners
  }

  /** The node is gone, as in a crash: it hears of nothing any more. */
  kill(node: FakeOwnership): void {
    this.#nodes.delete(node)
    node.alive = false
    const wishes = this.#wishes.filter((wish) => wish.node === node)
    this.#wishes = this.#wishes.filter((wish) => wish.node !== node)
    for (const wish of wishes) {
      if (wish.granted !== undefined) this.#owners.delete(wish.unit)
      wish.fence = undefined
    }
    this.#tell()
  }

  /** The unit goes to the next that wishes it, as when a lease was not renewed in time. */
  move(unit: string): void {
    const wish = this.#holder(unit)
    if (wish === undefined) return
    this.#wishes = [...this.#wishes.filter((one) => one !== wish), wish]
    wish.fence = undefined
    wish.granted = undefined
    this.#owners.delete(unit)
    wish.events.lost()
    this.#tell()
  }

  /** Its node does not know for a moment whether the unit is its own, and finds that it is: under the same fence. */
  blink(unit: string): void {
    const wish = this.#holder(unit)
    if (wish === undefined) return
    const { fence } = wish
    wish.fence = undefined
    wish.events.lost()
    this.#clock.after(grantMs, () => {
      if (fence === undefined || wish.granted !== fence) return
      wish.fence = fence
      wish.events.gained(fence)
    })
  }

  #holder(unit: string): Wish | undefined {
    return this.#wishes.find((one) => one.unit === unit && one.fence !== undefined)
  }

  add(wish: Wish): void {
    if (this.#wishes.some(({ node, unit }) => node === wish.node && unit === wish.unit)) {
      throw new NitkaError('conflict', `${wish.unit} is claimed already`)
    }
    this.#wishes.push(wish)
    this.#tell()
  }

  remove(wish: Wish): void {
    if (!this.#wishes.includes(wish)) return
    this.#wishes = this.#wishes.filter((one) => one !== wish)
    if (wish.granted !== undefined) this.#owners.delete(wish.unit)
    wish.fence = undefined
    wish.granted = undefined
    this.#tell()
  }

  #tell(): void {
    this.#clock.after(grantMs, () => this.#grant())
    for (const node of this.#nodes) node.hear()
  }

  #grant(): void {
    for (const wish of this.#wishes) {
      if (this.#owners.has(wish.unit)) continue
      const fence = ++this.#fence
      this.#owners.set(wish.unit, { node: wish.node.node, fence })
      wish.fence = fence
      wish.granted = fence
      wish.events.gained(fence)
      for (const node of this.#nodes) node.hear()
    }
  }
}

/** How long a unit is nobody's. */
const grantMs = 20

export class FakeOwnership implements Ownership {
  readonly node: string
  alive = true
  readonly #record: FakeOwners
  readonly #clock: Clock
  readonly #hearsMs: number
  readonly #onOwner = new Set<(unit: string) => void>()
  readonly #onGone = new Set<(node: string) => void>()
  #nodes: ReadonlySet<string>
  #owners: ReadonlyMap<string, Owner> = new Map()

  constructor(node: string, record: FakeOwners, parts: { readonly clock: Clock; readonly hearsMs: number }) {
    this.node = node
    this.#record = record
    this.#clock = parts.clock
    this.#hearsMs = parts.hearsMs
    this.#nodes = record.nodes
  }

  get nodes(): ReadonlySet<string> {
    return this.#nodes
  }

  claim(unit: string, events: ClaimEvents): Claim {
    const wish: Wish = { node: this, unit, events, fence: undefined, granted: undefined }
    this.#record.add(wish)
    return {
      get fence() {
        return wish.fence
      },
      release: async () => this.#record.remove(wish),
    }
  }

  owner(unit: string): Owner | undefined {
    return this.#owners.get(unit)
  }

  onOwner(told: (unit: string) => void): () => void {
    this.#onOwner.add(told)
    return () => this.#onOwner.delete(told)
  }

  onGone(told: (node: string) => void): () => void {
    this.#onGone.add(told)
    return () => this.#onGone.delete(told)
  }

  /** @internal Hears what the record says, a little later. */
  hear(): void {
    this.#clock.after(this.#hearsMs, () => this.#look())
  }

  #look(): void {
    if (!this.alive) return
    const [nodes, owners] = [this.#nodes, this.#owners]
    this.#nodes = this.#record.nodes
    this.#owners = new Map(this.#record.owners)
    for (const node of nodes) if (!this.#nodes.has(node)) for (const told of this.#onGone) told(node)
    for (const unit of new Set([...owners.keys(), ...this.#owners.keys()])) {
      if (owners.get(unit)?.fence !== this.#owners.get(unit)?.fence) for (const told of this.#onOwner) told(unit)
    }
  }
}

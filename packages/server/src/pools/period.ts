// The pools while they are this node's, from the moment that it gained them until it loses them: everything in memory, read
// after it gained them, and every write under its fence.

import { NitkaError } from '@nitka/protocol'
import type { Ownership } from '../nodes/ownership.ts'
import type { Peers } from '../nodes/peers.ts'
import { AllConnections, type Connection, type OwnConnections } from './connections.ts'
import { GuardedStore, Moved } from './guarded-store.ts'
import { type LocalPools, type OperationName, operate, type Result, type Wish } from './operations.ts'
import { type HomeOptions, type HomeParts, openLocal } from './pool-home.ts'

export const poolsUnit = 'pools'
export const missingName = 'pools.missing'

/** After a node did not say which of its connections are there. */
const againMs = 1_000

export interface PeriodParts extends HomeParts {
  readonly ownership: Ownership
  readonly peers: Peers
  readonly own: OwnConnections
}

/** Who asks, by a name that every node can use. */
export interface Caller {
  readonly user: string
  readonly connection: Connection | undefined
}

export class Period {
  readonly fence: number
  readonly local: LocalPools
  readonly #parts: PeriodParts
  readonly #connections: AllConnections
  #closed = false

  /** @param onFailed a write failed: the period should end */
  static async open(parts: PeriodParts, options: HomeOptions, fence: number, onFailed: () => void): Promise<Period> {
    const connections = new AllConnections()
    const { node } = parts.ownership
    const store = new GuardedStore(parts.store.under({ unit: poolsUnit, node, fence }), onFailed)
    const failed = (tell: (error: unknown) => void) => (error: unknown) => {
      if (!(error instanceof Moved)) tell(error)
    }
    const quiet = { onError: failed(parts.onError), onBookingError: failed(parts.onBookingError) }
    const local = await openLocal({ ...parts, ...quiet, connections }, options, store)
    return new Period(parts, fence, { local, connections })
  }

  private constructor(parts: PeriodParts, fence: number, opened: { local: LocalPools; connections: AllConnections }) {
    this.#parts = parts
    this.fence = fence
    this.local = opened.local
    this.#connections = opened.connections
  }

  /** @throws Moved it is to be asked again */
  async run<Name extends OperationName>(
    name: Name,
    { user, connection }: Caller,
    wish: Wish<Name>,
  ): Promise<Result<Name>> {
    const owner = connection && this.#connections.of(connection)
    if (connection !== undefined && owner === undefined) throw new NitkaError('busy', 'whoever asked is gone')
    return operate(this.local, name, { holder: { user, owner }, wish })
  }

  dropWaiters(connection: Connection): void {
    const owner = this.#connections.of(connection)
    if (owner !== undefined) this.local.pools.dropWaiters(owner)
  }

  /** @param clean it said goodbye */
  gone(connection: Connection, clean: boolean): void {
    const owner = this.#connections.end(connection)
    if (owner !== undefined) this.local.pools.gone(owner, clean)
  }

  nodeGone(node: string): void {
    for (const key of this.#connections.nodes().get(node) ?? []) this.gone({ node, key }, false)
  }

  /** Finds out which of the connections that have holds are there: the others ended while nobody had the pools. */
  reconcile(): void {
    const { ownership, own } = this.#parts
    for (const [node, keys] of this.#connections.nodes()) {
      if (node === ownership.node) this.#missing(node, own.missing(keys))
      else this.#ask(node, keys)
    }
  }

  /** @param reason what those who wait are refused with */
  close(reason: Error): void {
    this.#closed = true
    this.local.pools.close(reason)
    this.local.bookings.close()
  }

  #ask(node: string, keys: readonly number[]): void {
    if (this.#closed) return
    const { ownership, peers, clock } = this.#parts
    if (!ownership.nodes.has(node)) return this.nodeGone(node)
    peers.call(node, missingName, keys).answer.then(
      (missing) => this.#missing(node, missing as readonly number[]),
      () => clock.after(againMs, () => this.#ask(node, keys)),
    )
  }

  #missing(node: string, keys: readonly number[]): void {
    if (!this.#closed) for (const key of keys) this.gone({ node, key }, false)
  }
}

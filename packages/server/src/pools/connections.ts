// Connections by names that every node can use: holds are bound to them, whichever node has the pools.

import { NitkaError } from '@nitka/protocol'
import type { ConnectionNames } from './terms.ts'

/** The connections of this node, as far as they have asked for pools. */
export class OwnConnections {
  readonly #keys = new Map<object, number>()
  readonly #live = new Set<number>()
  readonly #ended = new WeakSet<object>()
  #last = 0

  /** @throws NitkaError `busy` it has ended */
  keyOf(owner: object): number {
    if (this.#ended.has(owner)) throw new NitkaError('busy', 'whoever asked is gone')
    const known = this.#keys.get(owner)
    if (known !== undefined) return known
    const key = ++this.#last
    this.#keys.set(owner, key)
    this.#live.add(key)
    return key
  }

  /** Its key, if it has one. */
  find(owner: object): number | undefined {
    return this.#keys.get(owner)
  }

  end(owner: object): void {
    const key = this.#keys.get(owner)
    this.#keys.delete(owner)
    this.#ended.add(owner)
    if (key !== undefined) this.#live.delete(key)
  }

  /** Those that are not there. */
  missing(keys: readonly number[]): readonly number[] {
    return keys.filter((key) => !this.#live.has(key))
  }
}

/** A connection of any node, as the node that has the pools knows it. */
export interface Connection {
  readonly node: string
  readonly key: number
}

/** Ended connections that are remembered: what they asked may come after their end. */
const endedMax = 10_000

/** The connections of all nodes that have asked for pools, or have holds. */
export class AllConnections implements ConnectionNames {
  readonly #named = new Map<string, Connection>()
  readonly #ended = new Set<string>()

  nameOf(owner: object): string {
    const { node, key } = owner as Connection
    return `${node}.${key}`
  }

  named(name: string): Connection {
    const known = this.#named.get(name)
    if (known !== undefined) return known
    const [node = '', key = ''] = name.split('.')
    const connection = { node, key: Number(key) }
    this.#named.set(name, connection)
    return connection
  }

  /** Undefined: it has ended. */
  of(connection: Connection): Connection | undefined {
    const name = this.nameOf(connection)
    return this.#ended.has(name) ? undefined : this.named(name)
  }

  /** It is gone. Undefined: it was not known. */
  end(connection: Connection): Connection | undefined {
    const name = this.nameOf(connection)
    const known = this.#named.get(name)
    this.#named.delete(name)
    this.#ended.add(name)
    const [first = name] = this.#ended
    if (this.#ended.size > endedMax) this.#ended.delete(first)
    return known
  }

  /** By node. */
  nodes(): ReadonlyMap<string, readonly number[]> {
    const found = new Map<string, number[]>()
    for (const { node, key } of this.#named.values()) {
      const keys = found.get(node)
      if (keys === undefined) found.set(node, [key])
      else keys.push(key)
    }
    return found
  }
}

// What nodes of one process know of each other's life, and what they say in a store that forgets when the test says so.

import { NitkaError } from '@nitka/protocol'
import type { Ownership } from '../src/nodes/ownership.ts'
import type { PresenceRow, PresenceStore } from '../src/rooms/presence-store.ts'

/** Who is alive, as all see it at once. */
export class NodeLife {
  readonly nodes = new Set<string>()
  readonly #told = new Map<string, Set<(node: string) => void>>()

  /** A node's own view. Units belong to nobody here. */
  ownership(node: string): Ownership {
    const told = new Set<(node: string) => void>()
    this.nodes.add(node)
    this.#told.set(node, told)
    return {
      node,
      nodes: this.nodes,
      claim: () => ({ fence: undefined, release: async () => undefined }),
      owner: () => undefined,
      onOwner: () => () => undefined,
      onGone: (listener) => {
        told.add(listener)
        return () => told.delete(listener)
      },
    }
  }

  /** The others hear that it is gone; whether it is, is another thing. */
  gone(node: string): void {
    this.nodes.delete(node)
    for (const [other, told] of this.#told) if (other !== node) for (const listener of told) listener(node)
  }
}

/** Presence as a database keeps it. */
export class MemoryPresenceStore implements PresenceStore {
  /** True: it does not answer. */
  failing = false
  readonly #clock: { now(): number }
  readonly #rows = new Map<string, PresenceRow & { changed: number }>()
  readonly #complete = new Set<string>()

  constructor(clock: { now(): number }) {
    this.#clock = clock
  }

  /** As after a crash of a database that does not log it. */
  wipe(): void {
    this.#rows.clear()
    this.#complete.clear()
  }

  async save(node: string, changes: Parameters<PresenceStore['save']>[1]): Promise<void> {
    this.#answer()
    for (const change of changes) {
      const key = `${change.room} ${change.user} ${node}`
      if (change.version <= (this.#rows.get(key)?.version ?? 0)) continue
      this.#rows.set(key, { ...change, node, changed: this.#clock.now() })
    }
  }

  async complete(node: string): Promise<void> {
    this.#answer()
    this.#complete.add(node)
  }

  async look(): Promise<{ time: number; nodes: readonly string[] }> {
    this.#answer()
    return { time: this.#clock.now(), nodes: [...this.#complete] }
  }

  async list(rooms: readonly string[]): Promise<readonly PresenceRow[]> {
    this.#answer()
    return [...this.#rows.values()].filter(({ room, online }) => rooms.includes(room) && online)
  }

  async changes(rooms: readonly string[], since: number): Promise<readonly PresenceRow[]> {
    this.#answer()
    return [...this.#rows.values()].filter(({ room, changed }) => rooms.includes(room) && changed > since)
  }

  async forget(node: string): Promise<void> {
    this.#answer()
    this.#complete.delete(node)
    for (const [key, row] of this.#rows) if (row.node === node) this.#rows.delete(key)
  }

  #answer(): void {
    if (this.failing) throw new NitkaError('unavailable', 'the database does not answer')
  }
}

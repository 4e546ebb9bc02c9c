// The holds that there are: by their id, by the connection that they end with, and by when they end.

import { Deadlines } from './deadlines.ts'
import { Grouped } from './grouped.ts'
import type { Hold } from './pool.ts'

export class Holds {
  readonly #byId = new Map<string, Hold>()
  readonly #owned = new Grouped<object, Hold>()
  readonly #due = new Deadlines<Hold>((hold, at) => this.#byId.get(hold.id) === hold && hold.ends === at)

  get size(): number {
    return this.#byId.size
  }

  /** When the next one ends, monotonic; undefined: none does. */
  get next(): number | undefined {
    return this.#due.next
  }

  get(id: string): Hold | undefined {
    return this.#byId.get(id)
  }

  /** Its resources are its own from here on. */
  add(hold: Hold): void {
    for (const resource of hold.resources) resource.hold = hold
    hold.pool.holds.add(hold)
    this.#byId.set(hold.id, hold)
    this.#due.add(hold.ends, hold)
  }

  /** Puts its resources back into its pool. False: it has ended before. */
  delete(hold: Hold): boolean {
    if (!this.#byId.delete(hold.id)) return false
    this.disown(hold)
    hold.pool.holds.delete(hold)
    for (const resource of hold.resources) {
      resource.hold = undefined
      if (!resource.removed) hold.pool.putBack(resource)
      else if (hold.pool.resources.get(resource.id) === resource) hold.pool.resources.delete(resource.id)
    }
    return true
  }

  /** It ends at that time instead, monotonic. */
  endAt(hold: Hold, ends: number): void {
    hold.ends = ends
    this.#due.add(ends, hold)
  }

  /** Those whose time is over. They stay until they are deleted. */
  over(now: number): readonly Hold[] {
    const holds: Hold[] = []
    for (let hold = this.#due.take(now); hold !== undefined; hold = this.#due.take(now)) holds.push(hold)
    return holds
  }

  /** It ends with this connection. */
  own(hold: Hold, owner: object): void {
    hold.owner = owner
    this.#owned.add(owner, hold)
  }

  /** It ends with no connection. */
  disown(hold: Hold): void {
    if (hold.owner === undefined) return
    this.#owned.delete(hold.owner, hold)
    hold.owner = undefined
  }

  /** Those that end with a connection. */
  of(owner: object): readonly Hold[] {
    return this.#owned.of(owner)
  }

  count(owner: object): number {
    return this.#owned.count(owner)
  }
}

// Who waits for resources: by the connection that asked, and by when their patience ends. Their order is each pool's.

import { Deadlines } from './deadlines.ts'
import { Grouped } from './grouped.ts'
import type { Waiter } from './pool.ts'

export class Waiters {
  readonly #owned = new Grouped<object, Waiter>()
  readonly #due = new Deadlines<Waiter>((waiter) => !waiter.over)

  get size(): number {
    return this.#owned.size
  }

  /** When the next one waits no longer, monotonic; undefined: nobody waits. */
  get next(): number | undefined {
    return this.#due.next
  }

  /** Stands last in the line of its pool. */
  add(waiter: Waiter): void {
    waiter.pool.wait(waiter)
    this.#owned.add(waiter.owner, waiter)
    this.#due.add(waiter.ends, waiter)
  }

  /** Was served, or gave up. */
  delete(waiter: Waiter): void {
    this.#owned.delete(waiter.owner, waiter)
  }

  /** Those of a connection. */
  of(owner: object): readonly Waiter[] {
    return this.#owned.of(owner)
  }

  count(owner: object): number {
    return this.#owned.count(owner)
  }

  all(): readonly Waiter[] {
    return this.#owned.all()
  }

  /** One whose time is over; undefined: there is none any more. */
  takeOver(now: number): Waiter | undefined {
    return this.#due.take(now)
  }
}

// A bus between nodes of one process that does what the port allows: it loses, and comes late and in another order.

import type { Bus } from '../src/bus.ts'
import type { InProcessHub } from '../src/engines/embedded/bus.ts'

/** What a bus does with what its node publishes, from now on. */
export interface Rules {
  /** Subjects that begin with one of these are lost; `''` is everything. */
  lose: readonly string[]
  /** Kept back until `release`. */
  late: boolean
}

export interface UnrulyBus extends Bus {
  readonly rules: Rules
  /** Messages that it lost. */
  lost: number
  /** Lets go what was kept back, in the order that `order` makes of it. */
  release(order?: <Item>(items: Item[]) => Item[]): void
}

export function unrulyBus(hub: InProcessHub): UnrulyBus {
  const bus = hub.node()
  let kept: (() => void)[] = []
  return {
    rules: { lose: [], late: false },
    lost: 0,
    alone: false,
    healthy: true,
    publish(subject, bytes) {
      if (this.rules.lose.some((prefix) => subject.startsWith(prefix))) this.lost++
      else if (this.rules.late) kept.push(() => bus.publish(subject, bytes))
      else bus.publish(subject, bytes)
    },
    subscribe: (subject, handler) => bus.subscribe(subject, handler),
    release(order = (items) => items) {
      const all = kept
      kept = []
      for (const go of order(all)) go()
    },
    close: () => bus.close(),
  }
}

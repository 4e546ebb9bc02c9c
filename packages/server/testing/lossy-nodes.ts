// Several nodes of one process that ask each other over a bus that loses, repeats and is late, on one simulated clock.

import { InProcessHub } from '../src/engines/embedded/bus.ts'
import { Peers } from '../src/nodes/peers.ts'
import { SimulatedClock } from './clock.ts'
import { FakeOwners, type FakeOwnership } from './fake-ownership.ts'

/** What becomes of a message. */
export type Fate = 'deliver' | 'lose' | 'twice' | 'late'

export interface LossyNode {
  readonly ownership: FakeOwnership
  readonly peers: Peers
}

export class LossyNodes {
  readonly clock = new SimulatedClock()
  readonly owners = new FakeOwners(this.clock)
  readonly errors: unknown[] = []
  fate: () => Fate = () => 'deliver'
  readonly #hub = new InProcessHub()

  /** @param hearsMs how late it hears what the record says */
  open(name: string, hearsMs = 0): LossyNode {
    const bus = this.#hub.node()
    const publish = (subject: string, bytes: Uint8Array): void => {
      const fate = this.fate()
      if (fate === 'late') this.clock.after(700, () => bus.publish(subject, bytes))
      else for (let i = fate === 'lose' ? 0 : fate === 'twice' ? 2 : 1; i > 0; i--) bus.publish(subject, bytes)
    }
    const ownership = this.owners.node(name, hearsMs)
    const lossy = {
      ...{ alone: false, healthy: true, publish, close: () => bus.close() },
      subscribe: (subject: string, handler: (bytes: Uint8Array) => void) => bus.subscribe(subject, handler),
    }
    const { clock } = this
    const peers = new Peers({ bus: lossy, clock, ownership, onError: (error) => this.errors.push(error) })
    return { ownership, peers }
  }

  /** As a crash: nothing more is heard of it. */
  kill({ ownership, peers }: LossyNode): void {
    this.owners.kill(ownership)
    peers.close()
  }

  /** Time goes by, and what it brings about has happened. */
  async pass(ms: number): Promise<void> {
    for (let gone = 0; ; ) {
      const step = Math.min(ms - gone, gone < fineMs ? 20 : 100)
      this.clock.advance(step)
      gone += step
      for (let i = 0; i < 3; i++) {
        this.clock.turn()
        await new Promise((resolve) => setImmediate(resolve))
      }
      if (gone >= ms) return
    }
  }
}

/** Up to here time goes in small steps, for what is one after the other. */
const fineMs = 2_000

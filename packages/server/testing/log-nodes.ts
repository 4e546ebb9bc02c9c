// Two nodes' logs on one store, a bus between them that loses when the test says so, and receivers for them.

import type { TestContext } from 'node:test'
import { IdSource } from '@nitka/protocol'
import type { Bus } from '../src/bus.ts'
import { InProcessHub } from '../src/engines/embedded/bus.ts'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import { Pulse } from '../src/fanout/pulse.ts'
import type { Encoder, Recipient } from '../src/fanout/recipient.ts'
import type { LogMessage } from '../src/log/feed.ts'
import { Log } from '../src/log/log.ts'
import type { LogName, LogStore } from '../src/log/log-store.ts'
import { realWorld } from '../src/world.ts'
import { type Late, lateStore } from './late.ts'
import { temporaryFolder } from './server.ts'

export const tea: LogName = { kind: 'room', id: 'tea' }

/** Each entry as one byte: its offset. */
export const encoder: Encoder<LogMessage> = {
  encode(messages) {
    const bytes = Buffer.from(messages.map(({ entry }) => String.fromCharCode(entry.offset)).join(''), 'latin1')
    return { bytes, ends: messages.map((_, i) => i + 1) }
  },
}

/** A receiver that takes everything while it has room. */
export class Ear implements Recipient {
  readonly id = 'ear'
  readonly user = 'ear'
  readonly heard: number[] = []
  hasRoom = true
  readonly flowing = true
  readonly taken: number = 0
  readonly #listeners = new Set<() => void>()

  deliver(bytes: Uint8Array, onTaken?: () => void): void {
    this.heard.push(...bytes)
    onTaken?.()
  }

  onDrain(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  drain(): void {
    this.hasRoom = true
    for (const listener of [...this.#listeners]) listener()
  }
}

export interface Nodes {
  readonly one: Log
  readonly two: Log
  /** What the bus loses, from now on. */
  lose: 'nothing' | 'everything'
  /** Messages that it lost. */
  lost: number
  /** Keeps back what `two` reads. */
  readonly late: Late
}

export async function twoNodes(t: TestContext): Promise<Nodes> {
  const world = realWorld()
  const engine = await openEmbedded({ dataDir: await temporaryFolder(t), world, reserveBytes: 0 })
  t.after(() => engine.close())
  const hub = new InProcessHub()
  const nodes: Pick<Nodes, 'lose' | 'lost'> = { lose: 'nothing', lost: 0 }
  const late = lateStore(engine.logs)
  const log = (store: LogStore): Log => {
    const bus: Bus = hub.node()
    const lossy: Bus = {
      alone: false,
      healthy: true,
      publish: (subject, bytes) => {
        if (nodes.lose === 'nothing') bus.publish(subject, bytes)
        else nodes.lost++
      },
      subscribe: (subject, handler) => bus.subscribe(subject, handler),
      close: () => bus.close(),
    }
    const ids = new IdSource(() => world.clock.now(), world.random.bytes(8))
    const made = new Log(
      { store, bus: lossy, pulse: new Pulse(world.clock, 0), clock: world.clock, ids },
      { sweepMs: 0 },
    )
    t.after(() => made.close())
    return made
  }
  return Object.assign(nodes, { one: log(engine.logs), two: log(late.store), late })
}

export async function say(log: Log, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) {
    await log.append([{ entries: [{ log: tea, sender: 'ann', body: '1', counts: true }] }])
  }
}

/** 1 to `to`. */
export function numbers(to: number): number[] {
  return Array.from({ length: to }, (_, i) => i + 1)
}

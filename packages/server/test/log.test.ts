// Two nodes' logs on one store: a bus that loses what it is told costs time, never a message.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { IdSource } from '@nitka/protocol'
import type { Bus } from '../src/bus.ts'
import { InProcessHub } from '../src/engines/embedded/bus.ts'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import { Pulse } from '../src/fanout/pulse.ts'
import type { Encoder, Recipient } from '../src/fanout/recipient.ts'
import type { LogMessage } from '../src/log/feed.ts'
import { Log } from '../src/log/log.ts'
import type { LogName } from '../src/log/log-store.ts'
import { realWorld } from '../src/world.ts'
import { eventually } from '../testing/eventually.ts'
import { temporaryFolder } from '../testing/server.ts'

const tea: LogName = { kind: 'room', id: 'tea' }

const encoder: Encoder<LogMessage> = {
  encode(messages) {
    const bytes = Buffer.from(messages.map(({ entry }) => String.fromCharCode(entry.offset)).join(''), 'latin1')
    return { bytes, ends: messages.map((_, i) => i + 1) }
  },
}

/** A receiver that takes everything while it has room. */
class Ear implements Recipient {
  readonly id = 'ear'
  readonly user = 'ear'
  readonly heard: number[] = []
  hasRoom = true
  readonly flowing = true
  readonly taken = 0
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

interface Nodes {
  readonly one: Log
  readonly two: Log
  /** What the bus loses, from now on. */
  lose: 'nothing' | 'everything'
}

async function twoNodes(t: TestContext): Promise<Nodes> {
  const world = realWorld()
  const engine = await openEmbedded({ dataDir: await temporaryFolder(t), world, reserveBytes: 0 })
  t.after(() => engine.close())
  const hub = new InProcessHub()
  const nodes: { lose: Nodes['lose'] } = { lose: 'nothing' }
  const log = (): Log => {
    const bus: Bus = hub.node()
    const lossy: Bus = {
      alone: false,
      healthy: true,
      publish: (subject, bytes) => (nodes.lose === 'nothing' ? bus.publish(subject, bytes) : undefined),
      subscribe: (subject, handler) => bus.subscribe(subject, handler),
      close: () => bus.close(),
    }
    const ids = new IdSource(() => world.clock.now(), world.random.bytes(8))
    const made = new Log(
      { store: engine.logs, bus: lossy, pulse: new Pulse(world.clock, 0), clock: world.clock, ids },
      { sweepMs: 0 },
    )
    t.after(() => made.close())
    return made
  }
  return Object.assign(nodes, { one: log(), two: log() })
}

async function say(log: Log, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) {
    await log.append([{ entries: [{ log: tea, sender: 'ann', body: '1', counts: true }] }])
  }
}

function numbers(to: number): number[] {
  return Array.from({ length: to }, (_, i) => i + 1)
}

test('what one node stores is heard on the other, in order', async (t) => {
  const nodes = await twoNodes(t)
  const ear = new Ear()
  const joined = await nodes.two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  await Promise.all([say(nodes.one, 20), say(nodes.two, 20)])
  await eventually(() => ear.heard.length === 40, 'all')
  assert.deepEqual(ear.heard, numbers(40))
})

test('a hint that was lost is made good by the next one', async (t) => {
  const nodes = await twoNodes(t)
  const ear = new Ear()
  const joined = await nodes.two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  nodes.lose = 'everything'
  await say(nodes.one, 5)
  nodes.lose = 'nothing'
  await say(nodes.one)
  await eventually(() => ear.heard.length === 6, 'all')
  assert.deepEqual(ear.heard, numbers(6))
})

test('the last message of a conversation is found by the sweep when its hint was lost', async (t) => {
  const nodes = await twoNodes(t)
  const ear = new Ear()
  const joined = await nodes.two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  nodes.lose = 'everything'
  await say(nodes.one, 3)
  await nodes.two.sweep()
  await eventually(() => ear.heard.length === 3, 'all')
  assert.deepEqual(ear.heard, numbers(3))
})

test('a receiver without room is behind, costs nothing, and reads on when it has drained', async (t) => {
  const { one } = await twoNodes(t)
  const ear = new Ear()
  const joined = await one.join(tea, undefined, { recipient: ear, encoder })
  joined.subscription.start()
  await say(one)
  await eventually(() => ear.heard.length === 1, 'the first')
  ear.hasRoom = false
  await say(one, 100)
  await eventually(() => joined.subscription.phase === 'behind', 'behind')
  assert.deepEqual(ear.heard, [1])
  ear.drain()
  await eventually(() => joined.subscription.phase === 'live', 'live')
  assert.deepEqual(ear.heard, numbers(101))
  joined.subscription.close()
  joined.subscription.close()
  assert.equal(one.followed, 0)
})

test('a position before what was trimmed gets the exact range that is gone, and the rest', async (t) => {
  const { one } = await twoNodes(t)
  await say(one, 10)
  await one.store.trim(tea, 5)
  const ear = new Ear()
  const joined = await one.join(tea, { offset: 2 }, { recipient: ear, encoder })
  assert.deepEqual(joined.recovery, {
    recovered: false,
    reason: 'trimmed',
    missing: [{ from: 3, to: 4, reason: 'trimmed' }],
  })
  assert.deepEqual(
    joined.entries.map(({ offset }) => offset),
    [5, 6, 7, 8, 9, 10],
  )
  joined.subscription.close()
})

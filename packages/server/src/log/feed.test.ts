// A feed hears of entries from its own node, from others, late, twice, in any order, or not at all.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../testing/clock.ts'
import { replacing } from '../../testing/late.ts'
import type { Batch, Listener } from '../fanout/broadcast.ts'
import { Pulse } from '../fanout/pulse.ts'
import { Feed, type LiveEntry, type LogMessage } from './feed.ts'
import type { LogStore } from './log-store.ts'

const log = { kind: 'room', id: 'tea' } as const

function entryAt(offset: number): LiveEntry {
  return { offset, id: `id${offset}`, time: offset, sender: 'ann', body: String(offset) }
}

class Ears implements Listener<LogMessage> {
  readonly offsets: number[] = []
  readonly encoder = { encode: () => ({ bytes: new Uint8Array(), ends: [] }) }

  take({ messages }: Batch<LogMessage>): void {
    this.offsets.push(...messages.map(({ entry }) => entry.offset))
  }
}

/** A feed at the beginning of a log that others write to: `stored` is how far they are. */
function open() {
  const clock = new SimulatedClock()
  const world = { stored: 0, reads: 0, failing: false, waiting: [] as (() => void)[] }
  const read: LogStore['read'] = async (_, range) => {
    world.reads++
    const { after, limit } = range as { after: number; limit: number }
    const count = Math.min(limit, Math.max(0, world.stored - after))
    const entries = Array.from({ length: count }, (_, i) => ({ ...entryAt(after + 1 + i), counted: 0 }))
    const state = { epoch: 'e', first: 1, head: world.stored, headId: '', counted: 0 }
    const page = { entries, more: after + count < world.stored, missing: [], state }
    if (world.failing) throw new Error('the store is away')
    await new Promise<void>((go) => world.waiting.push(go))
    return page
  }
  const feed = new Feed(log, replacing({} as LogStore, { read }), { pulse: new Pulse(clock, 0), clock })
  const ears = new Ears()
  feed.broadcast.add(ears)
  /** Lets the store answer, and time go by, until nothing more happens. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      for (const go of world.waiting.splice(0)) go()
      await clock.pass(20)
    }
  }
  return { clock, world, feed, ears, settle }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hear' as const), offset: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('offer' as const), offset: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hint' as const), offset: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('answer' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 30 }) }) },
)

test('whatever is heard, in whichever order, each entry goes live once and in order, and the sweep finds the rest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 3 }), fc.array(step, { maxLength: 60 }), async (begin, steps) => {
      const { clock, world, feed, ears, settle } = open()
      world.stored = begin
      feed.begin(begin)
      for (const one of steps) {
        // Nothing is told before it is stored.
        if ('offset' in one) world.stored = Math.max(world.stored, one.offset)
        if (one.kind === 'hint') feed.hint(one.offset)
        else if (one.kind === 'hear' || one.kind === 'offer') feed[one.kind](entryAt(one.offset))
        else if (one.kind === 'answer') for (const go of world.waiting.splice(0)) go()
        else if (one.kind === 'fail') world.failing = !world.failing
        else if (one.kind === 'pass') await clock.pass(one.ms)
      }
      world.failing = false
      await settle()
      // As the sweep does.
      if ((feed.head ?? 0) < world.stored) void feed.catchUp()
      await settle()
      assert.deepEqual(
        ears.offsets,
        Array.from({ length: world.stored - begin }, (_, i) => begin + 1 + i),
      )
      feed.close()
      assert.equal(clock.waiting, 0)
    }),
    { numRuns: 300 },
  )
})

test('two nodes that write to one log hear each other’s entries crosswise without asking the store', async () => {
  const { world, feed, ears, settle } = open()
  world.stored = 40
  feed.begin(0)
  for (let offset = 1; offset <= 40; offset += 2) {
    feed.offer(entryAt(offset + 1))
    feed.hear(entryAt(offset))
  }
  await settle()
  assert.equal(ears.offsets.length, 40)
  assert.equal(world.reads, 0)
})

test('what waits behind a gap is bounded: then the store is asked at once', async () => {
  const { clock, world, feed, ears, settle } = open()
  world.stored = 1_000
  feed.begin(0)
  for (let offset = 2; offset <= 400; offset++) feed.hear(entryAt(offset))
  await clock.pass(0)
  assert.equal(world.reads, 1)
  await settle()
  assert.equal(ears.offsets.length, 1_000)
})

test('an entry that is heard before it is known where the log stands is found when it is', async () => {
  const { world, feed, ears, settle } = open()
  world.stored = 5
  feed.hear(entryAt(5))
  await settle()
  assert.deepEqual([feed.head, world.reads], [undefined, 0])
  feed.begin(3)
  await settle()
  assert.deepEqual(ears.offsets, [4, 5])
})

test('a store that failed is asked again, although nobody speaks of the entry again, until nobody listens', async () => {
  const { clock, world, feed, ears, settle } = open()
  world.stored = 1
  feed.begin(0)
  world.failing = true
  feed.hint(1)
  await clock.pass(5_000)
  assert.ok(world.reads > 1)
  world.failing = false
  await clock.pass(2_000)
  await settle()
  assert.deepEqual([ears.offsets, clock.waiting], [[1], 0])
  world.stored = 2
  world.failing = true
  feed.hint(2)
  feed.close()
  await clock.pass(0)
  assert.equal(clock.waiting, 0)
})

test('another entry where the last one stood is another past, and the same one is not', async () => {
  const met: Readonly<Record<string, (feed: Feed, id: string) => void>> = {
    'told by a node': (feed, id) => feed.hear({ ...entryAt(1), id }),
    'where the log stands': (feed, id) => feed.compare(1, { head: 1, headId: id }),
  }
  for (const [way, meet] of Object.entries(met)) {
    const { feed, ears, settle } = open()
    feed.begin(0)
    feed.offer(entryAt(1))
    meet(feed, 'id1')
    assert.equal(feed.rewinds, 0, way)
    meet(feed, 'other')
    meet(feed, 'other')
    assert.equal(feed.rewinds, 1, way)
    feed.hear(entryAt(2))
    await settle()
    assert.deepEqual(ears.offsets, [1, 2], way)
  }
})

test('what the store has behind a gap proves that the past is the same', async () => {
  const { world, feed, ears, settle } = open()
  feed.begin(0)
  feed.offer({ ...entryAt(1), id: 'lost with the store that had it' })
  world.stored = 3
  feed.hint(3)
  await settle()
  assert.deepEqual([feed.rewinds, ears.offsets], [1, [1, 2, 3]])
  world.stored = 6
  feed.hear(entryAt(6))
  await settle()
  assert.deepEqual([feed.rewinds, ears.offsets], [1, [1, 2, 3, 4, 5, 6]])
})

// Two nodes' logs on one store: a bus that loses what it is told costs time, never a message.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdSource } from '@nitka/protocol'
import { InProcessHub } from '../src/engines/embedded/bus.ts'
import { Pulse } from '../src/fanout/pulse.ts'
import { Log } from '../src/log/log.ts'
import type { LogStore } from '../src/log/log-store.ts'
import { realWorld } from '../src/world.ts'
import { eventually } from '../testing/eventually.ts'
import { replacing } from '../testing/late.ts'
import { Ear, encoder, numbers, say, tea, twoNodes } from '../testing/log-nodes.ts'

test('what one node stores is heard on the other, in order', async (t) => {
  const nodes = await twoNodes(t)
  const ear = new Ear()
  const joined = await nodes.two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  await Promise.all([say(nodes.one, 20), say(nodes.two, 20)])
  await eventually(() => ear.heard.length === 40, 'all')
  assert.deepEqual(ear.heard, numbers(40))
})

test('what the bus lost is made good by the next entry', async (t) => {
  const nodes = await twoNodes(t)
  const ear = new Ear()
  const joined = await nodes.two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  nodes.lose = 'everything'
  await say(nodes.one, 5)
  await eventually(() => nodes.one.exchange.counts.partsOut === 5, 'all to be told')
  nodes.lose = 'nothing'
  await say(nodes.one)
  await eventually(() => ear.heard.length === 6, 'all')
  assert.deepEqual(ear.heard, numbers(6))
})

test('the last message of a conversation is found by the sweep when the bus lost it', async (t) => {
  const nodes = await twoNodes(t)
  const ear = new Ear()
  const joined = await nodes.two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  nodes.lose = 'everything'
  await say(nodes.one, 3)
  await eventually(() => nodes.one.exchange.counts.partsOut === 3, 'all to be told')
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

test('what one node stores is carried to the other, which need not read it', async (t) => {
  const { one, two, late } = await twoNodes(t)
  const ear = new Ear()
  const joined = await two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  await eventually(() => joined.subscription.phase === 'live', 'live')
  late.pages.hold()
  await say(one, 20)
  await eventually(() => ear.heard.length === 20, 'all, while the store does not answer')
  assert.deepEqual(ear.heard, numbers(20))
  assert.equal(two.exchange.counts.partsIn, 20)
  late.pages.release()
})

test('an entry that is too large to be carried is read from the store', async (t) => {
  const { one, two } = await twoNodes(t)
  const ear = new Ear()
  const joined = await two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  const body = JSON.stringify('x'.repeat(200_000))
  await one.append([{ entries: [{ log: tea, sender: 'ann', body, counts: true }] }])
  await eventually(() => ear.heard.length === 1, 'it')
  assert.ok(two.exchange.counts.bytesIn < 100)
})

test('an entry that comes while a gap is being read is not lost', async (t) => {
  const nodes = await twoNodes(t)
  const { one, two, late } = nodes
  const ear = new Ear()
  const joined = await two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  nodes.lose = 'everything'
  await say(one)
  await eventually(() => nodes.lost === 1, 'it to be lost')
  nodes.lose = 'nothing'
  late.pages.hold()
  await say(one)
  await late.pages.holds()
  await say(one)
  late.pages.release()
  await eventually(() => ear.heard.length === 3, 'all, without another message')
  assert.deepEqual(ear.heard, [1, 2, 3])
})

test('an entry that is told while somebody joins is not lost', async (t) => {
  const { one, two, late } = await twoNodes(t)
  const ear = new Ear()
  late.pages.hold()
  const joining = two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  await late.pages.holds()
  await say(one, 2)
  late.pages.release()
  const { entries, subscription } = await joining
  assert.deepEqual(entries, [])
  subscription.start()
  await eventually(() => ear.heard.length === 2, 'what was stored meanwhile')
  assert.deepEqual(ear.heard, [1, 2])
})

test('a receiver that is full again while it reads on waits again, and misses nothing', async (t) => {
  const { one } = await twoNodes(t)
  const ear = new Ear()
  const joined = await one.join(tea, undefined, { recipient: ear, encoder })
  const { subscription } = joined
  assert.equal(subscription.phase, 'reading')
  subscription.start()
  assert.equal(subscription.phase, 'live')
  ear.hasRoom = false
  await say(one, 3)
  await eventually(() => subscription.phase === 'behind', 'behind')
  // Drained, but full again before the first page came.
  ear.drain()
  assert.equal(subscription.phase, 'reading')
  ear.hasRoom = false
  await eventually(() => subscription.phase === 'behind' || ear.heard.length === 3, 'one page or none')
  await say(one, 3)
  ear.drain()
  await eventually(() => subscription.phase === 'live', 'live')
  assert.deepEqual(ear.heard, numbers(6))
  subscription.close()
  assert.equal(subscription.phase, 'ended')
  ear.drain()
  await say(one)
  assert.equal(ear.heard.length, 6)
})

test('a store that has less than before ends who listens, and goes live for who joins again', async (t) => {
  const [before, after] = [await twoNodes(t), await twoNodes(t)]
  await say(before.one, 10)
  await say(after.one, 6)
  let store = before.one.store
  let reads = 0
  const parts: Partial<LogStore> = {
    read: (...asked) => {
      reads++
      return store.read(...asked)
    },
    states: (logs) => store.states(logs),
    append: (appends) => store.append(appends),
  }
  const { clock, random } = realWorld()
  const log = new Log(
    {
      ...{ store: replacing(store, parts), bus: new InProcessHub().node(), pulse: new Pulse(clock, 0), clock },
      ids: new IdSource(() => clock.now(), random.bytes(8)),
    },
    { sweepMs: 0 },
  )
  t.after(() => log.close())
  const ear = new Ear()
  const failures: unknown[] = []
  const events = { failed: (error: unknown) => failures.push(error) }
  const first = await log.join(tea, { offset: 10 }, { recipient: ear, encoder, events })
  first.subscription.start()
  assert.equal(first.subscription.phase, 'live')
  store = after.one.store
  const again = new Ear()
  const joined = await log.join(tea, { offset: 10 }, { recipient: again, encoder })
  assert.deepEqual(joined.recovery.recovered, false)
  joined.subscription.start()
  await eventually(() => joined.subscription.phase === 'live', 'live')
  await say(log, 2)
  await eventually(() => again.heard.length === 2, 'what is new')
  assert.deepEqual([again.heard, ear.heard, first.subscription.phase], [[7, 8], [], 'ended'])
  assert.match(String(failures), /has changed/)
  assert.ok(reads < 10, `${reads} reads`)
})

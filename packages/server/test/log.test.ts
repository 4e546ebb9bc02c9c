// Two nodes' logs on one store: a bus that loses what it is told costs time, never a message.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../testing/eventually.ts'
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

test('a hint that comes while a gap is being read is not lost', async (t) => {
  const { one, two, late } = await twoNodes(t)
  const ear = new Ear()
  const joined = await two.join(tea, { offset: 0 }, { recipient: ear, encoder })
  joined.subscription.start()
  late.pages.hold()
  await say(one)
  await late.pages.holds()
  await say(one)
  late.pages.release()
  await eventually(() => ear.heard.length === 2, 'both, without another hint')
  assert.deepEqual(ear.heard, [1, 2])
})

test('a hint that comes while somebody joins is not lost', async (t) => {
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

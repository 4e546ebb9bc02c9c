// What a node asks the store when nobody tells it anything: as little as finds everything.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { Held, replacing } from '../../testing/late.ts'
import { Pulse } from '../fanout/pulse.ts'
import { Feed } from './feed.ts'
import type { Changes, LogName, LogStore } from './log-store.ts'
import { Sweep } from './sweep.ts'

/** A node that follows `count` rooms without entries, beside a store in which others write. */
function open(count: number) {
  const clock = new SimulatedClock()
  const heads = new Map<string, number>()
  const asked = { marks: [] as (string | undefined)[], states: [] as number[], reads: [] as string[], most: 0 }
  const world = { told: [] as Changes['logs'], failing: false }
  const answers = new Held()
  const store = replacing({} as LogStore, {
    async changes(mark, most) {
      asked.marks.push(mark)
      asked.most = most
      if (world.failing) throw new Error('the store is away')
      return { mark: `m${asked.marks.length}`, logs: world.told }
    },
    async states(logs) {
      if (world.failing) throw new Error('the store is away')
      asked.states.push(logs.length)
      return answers.pass(
        logs.map(({ id }) => ({ epoch: 'e', first: 1, head: heads.get(id) ?? 0, headId: '', counted: 0 })),
      )
    },
    async read({ id }) {
      asked.reads.push(id)
      const state = { epoch: 'e', first: 1, head: heads.get(id) ?? 0, headId: '', counted: 0 }
      return { entries: [], more: false, missing: [], state }
    },
  })
  const feeds = new Map<string, Feed>()
  const newFeed = (id: string): Feed => {
    const feed = new Feed({ kind: 'room', id }, store, { pulse: new Pulse(clock, 0), clock })
    feeds.set(id, feed)
    return feed
  }
  for (let i = 0; i < count; i++) newFeed(`r${i}`).begin(0)
  const sweep = new Sweep(store, { size: count, of: ({ id }: LogName) => feeds.get(id), all: () => feeds.values() })
  const written = (id: string): { log: LogName; head: number } => {
    heads.set(id, (heads.get(id) ?? 0) + 1)
    return { log: { kind: 'room', id }, head: heads.get(id) ?? 0 }
  }
  return { sweep, asked, world, feeds, written, answers, newFeed }
}

test('everything is compared once; then a look costs what changed, whatever is followed', async () => {
  const { sweep, asked, world, written } = open(5_000)
  world.told = undefined
  await sweep.look()
  assert.deepEqual(asked.states, [1_000, 1_000, 1_000, 1_000, 1_000])
  world.told = [written('r4321'), written('followed by others')]
  await sweep.look()
  assert.deepEqual(asked.reads, ['r4321'])
  assert.deepEqual(asked.marks, [undefined, 'm1'])
  assert.deepEqual(asked.states.slice(5), [250])
  assert.equal(asked.most, 5_000)
})

test('what changed without being told is found when its turn comes', async () => {
  const { sweep, asked, written } = open(1_100)
  written('r1099')
  for (let i = 0; i < 5; i++) await sweep.look()
  assert.deepEqual(asked.reads, ['r1099'])
  assert.deepEqual(asked.states, [250, 250, 250, 250, 100])
})

test('a log that has less than went live begins again from there', async () => {
  const { sweep, feeds } = open(3)
  const feed = feeds.get('r1') as Feed
  feed.offer({ offset: 1, id: '1', time: 1, sender: 'ann', body: '1' })
  await sweep.look()
  assert.deepEqual([feed.head, feed.rewinds], [0, 1])
})

test('a look that fails is made again from the same mark', async () => {
  const { sweep, asked, world, written } = open(2)
  await sweep.look()
  world.failing = true
  await sweep.look()
  assert.equal(await sweep.compare(), false)
  world.failing = false
  world.told = [written('r1')]
  await sweep.look()
  assert.deepEqual(asked.marks, [undefined, 'm1', 'm1'])
  assert.equal(asked.reads[0], 'r1')
})

test('a comparison that began before the mark does not stand for one after it', async () => {
  const { sweep, asked, world, written, answers } = open(1)
  world.told = undefined
  answers.hold()
  const begun = sweep.compare()
  await answers.holds()
  written('r0')
  const looked = sweep.look()
  answers.release()
  await Promise.all([begun, looked])
  assert.deepEqual(asked.reads, ['r0'])
})

test('what is found while somebody still reads where a log stands is not forgotten', async () => {
  const { sweep, asked, world, feeds, written, newFeed } = open(0)
  const feed = newFeed('r0')
  world.told = undefined
  written('r0')
  await sweep.look()
  assert.deepEqual([feeds.size, asked.reads], [1, []])
  feed.begin(0)
  assert.deepEqual(asked.reads, ['r0'])
})

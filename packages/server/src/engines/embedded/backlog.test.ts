// A disk that stands still: what was sent waits for it, whoever sends is held back, and what waits for too long is refused whole.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SimulatedClock } from '../../../testing/clock.ts'
import { HeldDisk } from '../../../testing/held-disk.ts'
import { openStoreIn, storeFolder } from '../../../testing/store-folder.ts'
import { realWorld } from '../../world.ts'
import { code, entry, room } from '../conformance/log-fixtures.ts'

const lobby = room('lobby')
const mebibyte = 'x'.repeat(1024 * 1024)

async function open(t: TestContext) {
  const clock = new SimulatedClock()
  let held: HeldDisk | undefined
  const world = { ...realWorld(), clock }
  const engine = await openStoreIn(storeFolder(t), { world, disk: (disk) => (held = new HeldDisk(disk)) })
  t.after(() => engine.close())
  assert.ok(held)
  await engine.swept()
  const told: boolean[] = []
  engine.onCrowded = (crowded) => void told.push(crowded)
  const send = (body: string) => engine.logs.append([{ entries: [entry(lobby, body)] }])
  const stored = async () => (await engine.logs.states([lobby]))[0]?.head
  /** The seconds go by one after the other. */
  const seconds = async (count: number) => {
    for (let i = 0; i < count; i++) {
      clock.advance(1_000)
      await undefined
    }
  }
  return { clock, seconds, engine, told, send, stored, batches: held.batches }
}

test('more than the disk takes at once waits for it, and whoever sends is held back meanwhile', async (t) => {
  const { engine, told, send, stored, batches } = await open(t)
  batches.hold()
  const sent = Array.from({ length: 8 }, () => send(mebibyte))
  assert.deepEqual(told, [true])
  sent.push(send(mebibyte), send(mebibyte))
  await batches.holds()
  assert.equal(engine.unhealthy(), undefined)
  batches.release()
  await Promise.all(sent)
  assert.deepEqual(told, [true, false])
  assert.deepEqual([await stored(), engine.counters.queuedBytes], [10, 0])
})

test('more than 64 MiB do not wait', async (t) => {
  const { engine, told, send, stored, batches } = await open(t)
  batches.hold()
  const outcomes = Array.from({ length: 66 }, () => send(mebibyte))
  for (const one of outcomes.slice(63)) await assert.rejects(one, code('overloaded'))
  batches.release()
  await Promise.all(outcomes.slice(0, 63))
  assert.deepEqual([await stored(), engine.counters.queuedBytes, told.at(-1)], [63, 0, false])
})

test('where nothing new is taken any more, there is room for confirmations', async (t) => {
  const { engine, send, batches } = await open(t)
  batches.hold()
  const outcomes = Array.from({ length: 60_000 }, () => send('x').catch((error: unknown) => error))
  const confirmed = engine.logs.move([{ log: lobby, name: 'c', offset: 1, time: 1 }])
  batches.release()
  await confirmed
  assert.ok((await Promise.all(outcomes)).some(code('overloaded')))
})

test('what waits counts with what it costs in memory, however small it is', async (t) => {
  const { told, send, batches, engine } = await open(t)
  batches.hold()
  const outcomes = Array.from({ length: 100_000 }, () => send('x').catch((error: unknown) => error))
  const most = engine.counters.queuedBytes / 1_201
  batches.release()
  const refused = (await Promise.all(outcomes)).filter(code('overloaded')).length
  assert.equal(refused, 100_000 - most)
  assert.ok(most > 10_000 && most < 60_000, `${most} wait`)
  assert.deepEqual([told.at(-1), engine.counters.queuedBytes], [false, 0])
})

test('a write that takes long holds senders back, however little waits', async (t) => {
  const { clock, told, send, batches } = await open(t)
  batches.hold()
  const first = send('a')
  await batches.holds()
  clock.advance(249)
  const second = send('b')
  assert.deepEqual(told, [])
  clock.advance(1)
  const third = send('c')
  assert.deepEqual(told, [true])
  batches.release()
  await Promise.all([first, second, third])
  assert.deepEqual(told, [true, false])
})

test('behind a write of more than 5 s nobody waits: they are refused whole, and it is not ready until that is over', async (t) => {
  const { clock, seconds, engine, told, send, stored, batches } = await open(t)
  batches.hold()
  const first = send('a')
  await batches.holds()
  const second = send('b')
  const marker = (offset: number) => engine.logs.move([{ log: lobby, name: 'c', offset, time: 1 }])
  const confirmed = marker(1)
  const refused = assert.rejects(second, code('overloaded'))
  await seconds(4)
  clock.advance(999)
  assert.equal(engine.unhealthy(), undefined)
  clock.advance(1)
  await refused
  await assert.rejects(send('c'), code('overloaded'))
  assert.match(engine.unhealthy() ?? '', /writing for more than 5 s/)
  const later = marker(2)
  batches.release()
  await first
  await Promise.all([confirmed, later])
  assert.equal((await engine.logs.cursors(lobby, 'c'))[0]?.offset, 2, 'confirmations wait')
  await send('d')
  assert.deepEqual([engine.unhealthy(), await stored(), engine.counters.queuedBytes], [undefined, 2, 0])
  assert.equal(told.at(-1) ?? false, false)
})

test('senders are held back until the slow write ends, also when what waited behind it was refused', async (t) => {
  const { seconds, told, send, batches } = await open(t)
  batches.hold()
  const first = send('a')
  await batches.holds()
  const refused = Array.from({ length: 9 }, () => assert.rejects(send(mebibyte), code('overloaded')))
  await seconds(5)
  await Promise.all(refused)
  const meanwhile = [...told]
  batches.release()
  await first
  await send('b')
  assert.deepEqual([meanwhile, told], [[true], [true, false]])
})

test('a process that stood still for a minute does not take the disk for slow', async (t) => {
  const { clock, seconds, engine, send, stored, batches } = await open(t)
  batches.hold()
  const first = send('a')
  await batches.holds()
  const second = send('b')
  clock.advance(60_000)
  await seconds(3)
  assert.equal(engine.unhealthy(), undefined)
  batches.release()
  await Promise.all([first, second])
  assert.equal(await stored(), 2)
})

// Fail-stop: after the first error of the disk nothing is acknowledged any more, and what was acknowledged before is there
// when the store is opened again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import { code, entry, room } from '../src/engines/conformance/log-fixtures.ts'
import type { EmbeddedEngine } from '../src/engines/embedded/engine.ts'
import { FailingDisk, type FailingDiskPlan } from '../testing/failing-disk.ts'
import { openStoreIn, storeFolder } from '../testing/store-folder.ts'

const lobby = room('lobby')

async function openFailing(dataDir: string, plan: FailingDiskPlan) {
  let failing: FailingDisk | undefined
  const engine = await openStoreIn(dataDir, { disk: (disk) => (failing = new FailingDisk(disk, plan)) })
  assert.ok(failing)
  return { engine, failing }
}

/** Appends one after another until one fails. Gives what was acknowledged, what failed, and with what. */
async function appendUntilFailure(engine: EmbeddedEngine, count: number) {
  const acknowledged: string[] = []
  for (let i = 0; i < count; i++) {
    const sent = entry(lobby, `${i}`)
    try {
      await engine.logs.append([{ entries: [sent], clientId: `c${i}` }])
      acknowledged.push(sent.id)
    } catch (thrown) {
      return { acknowledged, unknown: sent.id, thrown }
    }
  }
  return { acknowledged, unknown: undefined, thrown: undefined }
}

async function storedIds(engine: EmbeddedEngine): Promise<string[]> {
  const page = await engine.logs.read(lobby, { after: 0, limit: 500 })
  assert.deepEqual(page.missing, [])
  return page.entries.map((each) => each.id)
}

for (const applied of [false, true]) {
  test(`an error at the n-th write, ${applied ? 'after' : 'before'} it was applied, loses nothing acknowledged`, async (t) => {
    for (let n = 2; n <= 31; n++) {
      const folder = storeFolder(t)
      const { engine, failing } = await openFailing(folder, { batch: n, applied }) // The first batch makes the store.
      const causes: Error[] = []
      engine.onFailed = (cause) => causes.push(cause)
      const { acknowledged, unknown, thrown } = await appendUntilFailure(engine, 40)
      assert.equal(acknowledged.length, n - 2)
      assert.ok(thrown instanceof NitkaError && thrown.code === 'unavailable')
      assert.match(thrown.message, /^storage failed: IO error: injected/)
      await assert.rejects(engine.logs.append([{ entries: [entry(lobby, 'later')] }]), code('unavailable'))
      await assert.rejects(engine.logs.move([{ log: lobby, name: 'a', offset: 1, time: 1 }]), code('unavailable'))
      await assert.rejects(
        engine.rooms.create({ id: 'r', name: '', open: true, creator: 'a', time: 1 }, { roomsPerUserMax: 0 }),
      )
      assert.match(engine.unhealthy() ?? '', /injected/)
      assert.deepEqual([causes.length, failing.batchesAfterFailure], [1, 0])
      await engine.close()
      const again = await openStoreIn(folder)
      const stored = await storedIds(again)
      await again.close()
      assert.deepEqual(stored, applied ? [...acknowledged, unknown] : acknowledged)
    }
  })
}

test('whoever waits when the disk fails learns that the outcome is unknown', async (t) => {
  const { engine } = await openFailing(storeFolder(t), { batch: 3 })
  const send = (body: string) => engine.logs.append([{ entries: [entry(lobby, body)] }])
  await send('first')
  const results = await Promise.allSettled([send('a'), Promise.resolve().then(() => send('b')), send('c')])
  for (const result of results) assert.ok(result.status === 'rejected' && code('unavailable')(result.reason))
  assert.equal(engine.counters.queuedBytes, 0)
  await engine.close()
})

test('a failed read ends the engine too', async (t) => {
  const folder = storeFolder(t)
  const first = await openStoreIn(folder)
  await appendUntilFailure(first, 3)
  await first.close()
  const counting = await openFailing(folder, {})
  const readsToOpen = counting.failing.reads
  await counting.engine.swept()
  const readsBefore = counting.failing.reads
  await counting.engine.close()
  assert.ok(readsToOpen > 0)
  const { engine } = await openFailing(folder, { read: readsBefore + 1 })
  await engine.swept()
  for (let i = 0; i < 5; i++) await engine.logs.read(lobby, { after: 0, limit: 1 }).catch(() => undefined)
  await assert.rejects(engine.logs.append([{ entries: [entry(lobby, 'x')] }]), code('unavailable'))
  await assert.rejects(engine.logs.read(lobby, { after: 0, limit: 1 }), code('unavailable'))
  await engine.close()
})

test('nothing is acknowledged after closing, and closing ends what is under way', async (t) => {
  const folder = storeFolder(t)
  const engine = await openStoreIn(folder)
  const sent = Array.from({ length: 50 }, (_, i) => engine.logs.append([{ entries: [entry(lobby, `${i}`)] }]))
  const closing = [engine.close(), engine.close()]
  await assert.rejects(engine.logs.append([{ entries: [entry(lobby, 'late')] }]), code('unavailable'))
  const settled = await Promise.allSettled(sent)
  await Promise.all(closing)
  await assert.rejects(engine.logs.read(lobby, { after: 0, limit: 1 }), code('unavailable'))
  const again = await openStoreIn(folder)
  const stored = await storedIds(again)
  await again.close()
  assert.equal(stored.length, settled.filter((result) => result.status === 'fulfilled').length)
})

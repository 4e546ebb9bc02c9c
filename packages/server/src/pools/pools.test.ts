import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { reopenable } from '../../testing/store-folder.ts'
import { Pools } from './pools.ts'

const options = {
  ...{ ttlMs: 60_000, graceMs: 10_000, poolsMax: 0, resourcesMax: 0, waitersMax: 0, holdsPerOwnerMax: 0 },
}

test('an answer says how long it took, so that whoever asked knows until when a hold lasts at least', async (t) => {
  const clock = new SimulatedClock()
  const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)), fraction: () => 0.5 }
  const { engine } = await reopenable(t, { world: { clock, random }, durability: 'relaxed' })
  const onError = (error: unknown): never => assert.fail(String(error))
  const pools = await Pools.open({ store: engine.pools, clock, random, onError }, options)
  t.after(() => pools.close())
  const [ann, bert] = ['ann', 'bert'].map((user) => ({ user, owner: {} })) as [
    { user: string; owner: object },
    { user: string; owner: object },
  ]
  await pools.add('p', [{ id: 'a' }])
  const first = await pools.acquire(ann, { pool: 'p' })
  assert.deepEqual([first.leftMs, first.waitedMs, first.graceMs], [60_000, 0, 10_000])
  const waiting = pools.acquire(bert, { pool: 'p', wait: 50_000, detached: true })
  clock.advance(20_000)
  assert.equal((await pools.renew(ann, first.hold)).leftMs, 60_000)
  clock.advance(20_000)
  await pools.release(ann, first.hold)
  const second = await waiting
  assert.deepEqual([second.leftMs, second.waitedMs, second.graceMs], [60_000, 40_000, undefined])
})

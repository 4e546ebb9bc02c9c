import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { reopenable } from '../../../testing/store-folder.ts'
import { poolStoreConformance } from '../conformance/pool-store.ts'

poolStoreConformance(async (t) => {
  const { engine, reopen } = await reopenable(t)
  return { pools: engine.pools, reopen: async () => (await reopen()).pools }
})

test('a store that was put back from a backup gives larger fencing numbers than the store that was lost', async (t) => {
  const { folder, engine, reopen } = await reopenable(t)
  const first = await engine.pools.tokens(1)
  await engine.close()
  rmSync(join(folder, 'committed'))
  const { pools } = await reopen({ acceptLoss: true })
  const again = await pools.tokens(1)
  assert.ok(again >= first + 2 ** 31, `${first}, then ${again}`)
})

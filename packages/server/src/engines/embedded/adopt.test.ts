import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openStoreIn, storeFolder } from '../../../testing/store-folder.ts'
import { entry, room } from '../conformance/log-fixtures.ts'
import { adoptStaged, dropStaged, stageStore, stagingName } from './adopt.ts'
import { makeMark } from './mark.ts'
import { schemaVersion } from './schema.ts'

const log = room('lobby')

/** A folder in which a store with one entry is built, and closed. */
async function built(t: TestContext) {
  const dataDir = join(storeFolder(t), 'data')
  const staged = await stageStore(dataDir)
  const engine = await openStoreIn(staged, { generation: 4 })
  await engine.logs.append([{ entries: [entry(log, 'kept')] }])
  await engine.close()
  return { dataDir, staged }
}

async function headOf(dataDir: string): Promise<number> {
  const engine = await openStoreIn(dataDir)
  const [state] = await engine.logs.states([log])
  await engine.close()
  return state!.head
}

test('a store that was built becomes that of the folder, with its generation', async (t) => {
  const { dataDir } = await built(t)
  adoptStaged(dataDir)
  assert.deepEqual(readdirSync(dataDir).sort(), ['committed', 'store'])
  assert.equal(await headOf(dataDir), 1)
  const engine = await openStoreIn(dataDir)
  assert.deepEqual([engine.archive.generation, await engine.pools.tokens(1)], [4, 4 * 2 ** 32 + 1])
  await engine.close()
  await assert.rejects(stageStore(dataDir), { code: 'conflict' })
})

test('a crash at any step leaves a folder without a store, or with all of it', async (t) => {
  const first = await built(t)
  assert.equal(await headOf(first.dataDir), 0, 'before the first step')

  const second = await built(t)
  makeMark(second.dataDir, schemaVersion)
  const again = await stageStore(second.dataDir)
  assert.deepEqual(readdirSync(second.dataDir), ['committed'], 'the next one may begin')
  await (await openStoreIn(again)).close()
  adoptStaged(second.dataDir)
  assert.equal(await headOf(second.dataDir), 0)

  const third = await built(t)
  makeMark(third.dataDir, schemaVersion)
  assert.equal(await headOf(third.dataDir), 0, 'after the mark')
  assert.throws(() => adoptStaged(third.dataDir), { code: 'conflict' }, 'a server was started meanwhile')

  const fourth = await built(t)
  makeMark(fourth.dataDir, schemaVersion)
  renameSync(join(fourth.staged, 'store'), join(fourth.dataDir, 'store'))
  assert.equal(await headOf(fourth.dataDir), 1, 'after the rename')
  assert.equal(await headOf(fourth.dataDir), 1)
})

test('one builds at a time, and what is dropped leaves nothing', async (t) => {
  const { dataDir, staged } = await built(t)
  const engine = await openStoreIn(staged)
  await assert.rejects(stageStore(dataDir), /another process imports/)
  await engine.close()
  dropStaged(dataDir)
  assert.throws(() => readdirSync(dataDir), { code: 'ENOENT' })
  mkdirSync(join(dataDir, stagingName, 'store'), { recursive: true })
  await stageStore(dataDir)
  assert.deepEqual(readdirSync(dataDir), [])
})

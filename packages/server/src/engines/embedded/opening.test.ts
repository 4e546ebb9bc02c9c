// What opening refuses, and in which words.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { openStoreIn, storeFolder } from '../../../testing/store-folder.ts'
import { copyStore, makeStore } from '../../../testing/store-image.ts'
import { entry, room } from '../conformance/log-fixtures.ts'
import { link } from './chain.ts'
import type { Disk } from './disk.ts'
import { openDisk } from './disk.ts'
import { Mark } from './mark.ts'
import { writeMeta } from './schema.ts'
import { tableFiles } from './tables.ts'

const lobby = room('lobby')
const level = { cacheBytes: 65_536, writeBufferBytes: 65_536, create: false }

/** A closed store whose log `lobby` holds `count` entries, a batch each. */
async function filled(t: TestContext, count: number): Promise<{ folder: string; epoch: string }> {
  const folder = storeFolder(t)
  const engine = await openStoreIn(folder)
  for (let i = 0; i < count; i++) await engine.logs.append([{ entries: [entry(lobby, `${i}`)] }])
  const [state] = await engine.logs.states([lobby])
  await engine.close()
  return { folder, epoch: state?.epoch ?? '' }
}

/** Changes a closed store behind the engine's back. */
async function tamper(folder: string, change: (disk: Disk) => Promise<void>): Promise<void> {
  const disk = await openDisk(join(folder, 'store'), level)
  await change(disk)
  await disk.close()
}

const removeLink = (folder: string, number: number) =>
  tamper(folder, (disk) => disk.batch([{ type: 'del', key: link(number).key }], true))

test('a hole in the commit chain is refused with its range, again and again', async (t) => {
  const { folder } = await filled(t, 20)
  await removeLink(folder, 7)
  await removeLink(folder, 8)
  for (let i = 0; i < 2; i++) {
    await assert.rejects(openStoreIn(folder), /batches 7 to 8 were acknowledged and are missing: restore a backup, or/)
  }
})

test('an end before the mark is refused with its range', async (t) => {
  const { folder } = await filled(t, 20) // The batch that makes the store, and 20.
  await removeLink(folder, 20)
  await removeLink(folder, 21)
  await assert.rejects(openStoreIn(folder), /batches 20 to 21 were acknowledged and are missing/)
})

test('accepting the loss gives every log a new epoch and goes on', async (t) => {
  const { folder, epoch } = await filled(t, 20)
  await removeLink(folder, 21)
  const engine = await openStoreIn(folder, { acceptLoss: true })
  const [state] = await engine.logs.states([lobby])
  assert.notEqual(state?.epoch, epoch)
  await engine.logs.append([{ entries: [entry(lobby, 'on')] }])
  await engine.close()
  const again = await openStoreIn(folder)
  assert.equal((await again.logs.states([lobby]))[0]?.epoch, state?.epoch)
  await again.close()
})

test('accepting a loss that there was not changes nothing', async (t) => {
  const { folder, epoch } = await filled(t, 3)
  const engine = await openStoreIn(folder, { acceptLoss: true })
  assert.equal((await engine.logs.states([lobby]))[0]?.epoch, epoch)
  await engine.close()
})

test('the ring of the chain goes round', async (t) => {
  const { folder } = await filled(t, 1)
  await tamper(folder, async (disk) => {
    for (let from = 3; from < 70_000; from += 1_000) {
      await disk.batch(
        Array.from({ length: 1_000 }, (_, i) => link(from + i)),
        true,
      )
    }
  })
  await (await openStoreIn(folder)).close()
  await removeLink(folder, 60_000)
  await assert.rejects(openStoreIn(folder), /batches 60000 to 60000/)
})

test('a mark that is gone or damaged is refused, unless loss is accepted, with a new epoch', async (t) => {
  const { folder, epoch } = await filled(t, 3)
  const path = join(folder, 'committed')
  const bytes = readFileSync(path)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped.writeUInt8((flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3)
    writeFileSync(path, flipped)
    await assert.rejects(openStoreIn(folder), /the file committed is damaged/)
  }
  rmSync(path)
  await assert.rejects(openStoreIn(folder), /the file committed is absent/)
  const restored = await openStoreIn(folder, { acceptLoss: true })
  assert.notEqual((await restored.logs.states([lobby]))[0]?.epoch, epoch)
  await restored.close()
  await (await openStoreIn(folder)).close()
})

test('a store whose files are gone is not replaced by an empty one', async (t) => {
  const { folder } = await filled(t, 3)
  const backup = storeFolder(t)
  copyStore(folder, backup)
  rmSync(join(folder, 'store'), { recursive: true })
  await assert.rejects(openStoreIn(folder), /batches 1 to 4 were acknowledged and the store is not there/)
  copyStore(backup, folder)
  rmSync(join(folder, 'store', 'CURRENT'))
  await assert.rejects(openStoreIn(folder), /the store is not there/)
})

test('a store of a newer version is refused and left as it is', async (t) => {
  const { folder } = await filled(t, 3)
  new Mark(folder, 2).write(4)
  const before = readdirSync(join(folder, 'store')).toSorted()
  await assert.rejects(openStoreIn(folder), /written by a newer Nitka \(schema 2, this one knows 1\): run that version/)
  assert.deepEqual(readdirSync(join(folder, 'store')).toSorted(), before)
  new Mark(folder, 1).write(4)
  await tamper(folder, (disk) =>
    disk.batch([writeMeta({ schema: 9, epoch: 'e', durability: 'disk', generation: 1, base: 0 })], true),
  )
  await assert.rejects(openStoreIn(folder), /schema 9/)
})

test('a folder stays as durable as it was made', async (t) => {
  const { folder } = await filled(t, 1)
  await assert.rejects(
    openStoreIn(folder, { durability: 'relaxed' }),
    /durability disk and was to be opened with relaxed/,
  )
  const loose = storeFolder(t)
  const engine = await openStoreIn(loose, { durability: 'relaxed' })
  assert.equal(engine.durability, 'relaxed')
  await engine.logs.append([{ entries: [entry(lobby, 'x')] }])
  await engine.close()
  await assert.rejects(openStoreIn(loose), /durability relaxed/)
  await (await openStoreIn(loose, { durability: 'relaxed' })).close()
})

test('a folder that cannot be made is named in one line', async (t) => {
  const folder = storeFolder(t)
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(
    openStoreIn(join(folder, 'file')),
    (error: Error) => /choose another folder/.test(error.message) && !error.message.includes('\n'),
  )
  await assert.rejects(openStoreIn(join(folder, 'file', 'below')), /cannot create the data folder/)
})

test('a store that was never finished is made anew', async (t) => {
  const folder = storeFolder(t)
  const bytes = Buffer.alloc(20)
  bytes.write('NTKA')
  bytes.writeUInt32BE(1, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 16)), 16)
  writeFileSync(join(folder, 'committed'), bytes)
  await (await openDisk(join(folder, 'store'), { ...level, create: true })).close()
  await (await openStoreIn(folder)).close()
})

test('a first start that was cut short is begun anew, and what it left is removed', async (t) => {
  const folder = storeFolder(t)
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(20)]) {
    writeFileSync(join(folder, 'committed'), bytes)
    mkdirSync(join(folder, '.making-x', 'store'), { recursive: true })
    await (await openStoreIn(folder)).close()
    assert.deepEqual(readdirSync(folder).toSorted(), ['committed', 'store'])
    writeFileSync(join(folder, 'committed'), bytes)
    await assert.rejects(openStoreIn(folder), /the file committed is damaged/)
    rmSync(join(folder, 'store'), { recursive: true })
  }
})

test('a log that cannot be read is refused before LevelDB takes it for an empty one and removes it', async (t) => {
  const { folder } = await filled(t, 3)
  mkdirSync(join(folder, 'store', '000099.log'))
  const before = readdirSync(join(folder, 'store')).toSorted()
  await assert.rejects(openStoreIn(folder), /the store cannot be read \(EISDIR/)
  assert.deepEqual(readdirSync(join(folder, 'store')).toSorted(), before)
})

test('a store of which nothing is left does not promise that accepting the loss would help', async (t) => {
  const { folder } = await filled(t, 3)
  rmSync(join(folder, 'store'), { recursive: true })
  await (await openDisk(join(folder, 'store'), { ...level, create: true })).close()
  const told = /its first batch is missing: restore a backup, or begin with another folder/
  await assert.rejects(openStoreIn(folder), told)
  await assert.rejects(openStoreIn(folder, { acceptLoss: true }), told)
})

test('a damaged table is refused before LevelDB touches a file', async (t) => {
  const folder = storeFolder(t)
  await makeStore(folder, 300, 65_536)
  const [file] = tableFiles(join(folder, 'store'))
  assert.ok(file)
  const bytes = readFileSync(file.path)
  bytes.writeUInt8((bytes[100] ?? 0) ^ 16, 100)
  writeFileSync(file.path, bytes)
  const before = readdirSync(join(folder, 'store')).toSorted()
  await assert.rejects(openStoreIn(folder), /the table \d+\.ldb is damaged: .*: restore a backup/)
  assert.deepEqual(readdirSync(join(folder, 'store')).toSorted(), before)
})

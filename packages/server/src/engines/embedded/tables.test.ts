// Every bit of a table that matters is under a checksum that is really compared.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { storeFolder } from '../../../testing/store-folder.ts'
import { makeStore, seeded } from '../../../testing/store-image.ts'
import { realClock } from '../../world.ts'
import { crc32c } from './crc32c.ts'
import { Health } from './health.ts'
import { Scrub } from './scrub.ts'
import { tableFiles, verifyTable } from './tables.ts'

test('CRC-32C gives the values of its standard, at any alignment', () => {
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(32), 0, 32), 0x8a9136aa)
  assert.equal(crc32c(Buffer.from('xx123456789x'), 2, 11), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(0), 0, 0), 0)
})

test('a sound table passes, one with a flipped bit or a cut end does not', async (t) => {
  const folder = storeFolder(t)
  await makeStore(folder, 300, 65_536)
  const files = tableFiles(join(folder, 'store'))
  assert.ok(files.length > 0)
  const random = seeded(3)
  for (const file of files) {
    assert.equal(await verifyTable(file), undefined)
    const bytes = readFileSync(file.path)
    const path = join(folder, 'flipped')
    for (let i = 0; i < 100; i++) {
      // All of the table but the footer, whose padding means nothing, then the end of the footer.
      const at = i < 90 ? Math.floor(random() * (bytes.length - 48)) : bytes.length - 1 - (i % 8)
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8((flipped[at] ?? 0) ^ (1 << (i % 8)), at)
      writeFileSync(path, flipped)
      assert.match((await verifyTable({ ...file, path })) ?? '', /is damaged: /, `byte ${at} of ${file.name}`)
    }
    writeFileSync(path, bytes.subarray(0, -1))
    assert.notEqual(await verifyTable({ ...file, path }), undefined)
  }
})

test('tables that are left for later are verified in the background, and damage ends the engine', async (t) => {
  const folder = storeFolder(t)
  mkdirSync(join(folder, 'x'))
  const path = join(folder, '000005.ldb')
  writeFileSync(path, 'not a table, though long enough to have a footer at its end')
  const gone = { path: join(folder, 'gone'), name: '000004.ldb', bytes: 1 }
  const health = new Health()
  const failed = new Promise<Error>((resolve) => (health.onFailed = resolve))
  const counters = { commits: 0, appends: 0, repeats: 0, failures: 0, damaged: 0, queuedBytes: 0 }
  let tick = () => {}
  const every = (_ms: number, task: () => void) => {
    tick = task
    return { cancel: () => {} }
  }
  const clock = { ...realClock, every }
  const scrub = new Scrub([gone, { path, name: '000005.ldb', bytes: 59 }], health, counters, clock)
  tick()
  while (!health.failed) {
    await new Promise((resolve) => setImmediate(resolve))
    tick()
  }
  assert.match((await failed).message, /000005\.ldb is damaged/)
  assert.equal(counters.damaged, 1)
  scrub.close()
})

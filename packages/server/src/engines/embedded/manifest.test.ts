// What a power cut leaves at the end of LevelDB's list of tables, and what damage leaves there.

import assert from 'node:assert/strict'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openStoreIn, storeFolder } from '../../../testing/store-folder.ts'
import { copyStore, judge, makeStore } from '../../../testing/store-image.ts'
import { crc32c } from './crc32c.ts'
import { cutUnfinishedEdit, liveTables, manifestOf } from './manifest.ts'

/** An edit that adds a table, as LevelDB writes it. */
function adding(number: number): Buffer {
  const key = [9, ...Buffer.from('k'), ...Buffer.alloc(8)]
  const body = Buffer.from([7, 0, (number & 127) | 128, number >> 7, 10, ...key, ...key])
  const record = Buffer.alloc(7 + body.length)
  record.writeUInt16LE(body.length, 4)
  record.writeUInt8(1, 6)
  body.copy(record, 7)
  const crc = crc32c(record, 6, record.length)
  record.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, 0)
  return record
}

async function store(t: TestContext) {
  const from = storeFolder(t)
  const truth = await makeStore(from, 300, 65_536)
  const to = storeFolder(t)
  const fresh = () => {
    copyStore(from, to)
    const level = join(to, 'store')
    return { level, path: join(level, readFileSync(join(level, 'CURRENT'), 'utf8').trim()) }
  }
  return { to, truth, fresh }
}

test('an edit whose bytes or whose table did not reach the disk is cut off, and all is there', async (t) => {
  const { to, truth, fresh } = await store(t)
  const edit = adding(9_999)
  const torn = Array.from({ length: edit.length - 1 }, (_, i) => {
    const zeroed = Buffer.from(edit)
    return zeroed.fill(0, i + 1)
  })
  for (const end of [edit, ...torn, Buffer.concat([...torn.slice(-1), Buffer.alloc(5_000)])]) {
    const { level, path } = fresh()
    const live = liveTables(level)
    appendFileSync(path, end)
    assert.equal(await judge(to, truth, `an end of ${end.toString('hex', 0, 40)}`), 'true')
    assert.ok(live !== undefined && live.size > 0)
  }
})

test('the list of a process that has opened the store meanwhile is left alone', async (t) => {
  const { to, fresh } = await store(t)
  const refused = fresh().path
  await (await openStoreIn(to)).close()
  const level = join(to, 'store')
  const path = manifestOf(level)
  appendFileSync(path, adding(9_999).fill(0, 9))
  const bytes = readFileSync(path)
  assert.equal(cutUnfinishedEdit(level, refused), false)
  assert.deepEqual(readFileSync(path), bytes)
  assert.equal(cutUnfinishedEdit(level, path), true)
})

test('an edit that was finished and damaged since is cut off only when nothing is missing without it', async (t) => {
  const { to, truth, fresh } = await store(t)
  const bytes = readFileSync(fresh().path)
  let refused = 0
  for (let start = 0, end = 0; start < bytes.length; start = end) {
    end = start + 7 + bytes.readUInt16LE(start + 4)
    for (const at of [start, start + 7, (start + end + 7) >> 1, end - 1]) {
      const { level, path } = fresh()
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8((flipped[at] ?? 0) ^ 1, at)
      writeFileSync(path, flipped)
      const files = () => readdirSync(level).filter((name) => /^\d+\.|^MANIFEST/.test(name))
      const before = files()
      if ((await judge(to, truth, `byte ${at} of ${bytes.length}`)) === 'true') continue
      refused += 1
      assert.deepEqual(files(), before)
      assert.deepEqual(readFileSync(path), flipped)
    }
  }
  assert.ok(refused > 0)
})

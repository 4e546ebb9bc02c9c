// Verifies LevelDB's table files: the checksum of every block, which LevelDB writes and, as it is built here, never reads.
// A flipped bit in an index or filter block hides records that our own checksums cannot miss, because nobody asks for
// what is not found; and it can crash a compaction. Part of the tables is verified before the store opens, the newest
// first, the rest in the background.

import { readdirSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c, unmasked } from './crc32c.ts'
import { liveTables } from './manifest.ts'

const footerBytes = 48
const trailerBytes = 5
const magicLow = 0x8b80fb57
const magicHigh = 0xdb477524

export interface TableFile {
  readonly path: string
  readonly name: string
  readonly bytes: number
}

/** The tables of the store in LevelDB's folder, newest first. */
export function tableFiles(folder: string): TableFile[] {
  const live = liveTables(folder)
  const names = readdirSync(folder).filter(
    (name) => /^\d+\.(ldb|sst)$/.test(name) && live?.has(Number.parseInt(name, 10)) !== false,
  )
  const newestFirst = names.toSorted((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))
  return newestFirst.flatMap((name) => {
    const path = join(folder, name)
    // Compacted away, by a process that has the store.
    const bytes = statSync(path, { throwIfNoEntry: false })?.size
    return bytes === undefined ? [] : [{ name, path, bytes }]
  })
}

/** What is wrong with the table, undefined when every block is what was written. A table that is gone is fine. */
export async function verifyTable(file: TableFile): Promise<string | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(file.path)
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined // Compacted away.
    throw thrown
  }
  try {
    verifyBlocks(bytes)
    return undefined
  } catch (thrown) {
    const why = thrown instanceof Damage ? thrown.message : 'its blocks cannot be read'
    return `the table ${file.name} is damaged: ${why}`
  }
}

class Damage extends Error {}

interface Handle {
  readonly at: number
  readonly size: number
}

function verifyBlocks(bytes: Buffer): void {
  const footer = bytes.length - footerBytes
  if (footer < 0) throw new Damage('it is cut short')
  if (bytes.readUInt32LE(bytes.length - 8) !== magicLow || bytes.readUInt32LE(bytes.length - 4) !== magicHigh) {
    throw new Damage('it does not end as a table does')
  }
  const cursor = { at: footer }
  const metaIndex = readHandle(bytes, cursor)
  const index = readHandle(bytes, cursor)
  for (const handle of [...handlesIn(bytes, metaIndex), ...handlesIn(bytes, index)]) verifyBlock(bytes, handle)
}

function readHandle(bytes: Buffer, cursor: { at: number }): Handle {
  return { at: readVarint(bytes, cursor), size: readVarint(bytes, cursor) }
}

function readVarint(bytes: Buffer, cursor: { at: number }): number {
  let value = 0
  for (let scale = 1; scale < 2 ** 50; scale *= 128) {
    const byte = bytes.readUInt8(cursor.at++)
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
  throw new Damage('a number is too long')
}

function verifyBlock(bytes: Buffer, { at, size }: Handle): void {
  const end = at + size
  if (end + trailerBytes > bytes.length) throw new Damage('a block lies outside')
  if (unmasked(bytes.readUInt32LE(end + 1)) !== crc32c(bytes, at, end + 1))
    throw new Damage(`the block at ${at} fails its checksum`)
}

/** The handles that an index block holds as values. Verifies the block itself. */
function handlesIn(bytes: Buffer, handle: Handle): Handle[] {
  verifyBlock(bytes, handle)
  const raw = bytes.subarray(handle.at, handle.at + handle.size)
  const block = bytes[handle.at + handle.size] === 1 ? unsnappy(raw) : raw
  const end = block.length - 4 * (block.readUInt32LE(block.length - 4) + 1)
  const handles: Handle[] = []
  const cursor = { at: 0 }
  while (cursor.at < end) {
    readVarint(block, cursor) // How much of the key is shared with the one before.
    const keyBytes = readVarint(block, cursor)
    const valueBytes = readVarint(block, cursor)
    const value = { at: cursor.at + keyBytes }
    handles.push(readHandle(block, value))
    cursor.at += keyBytes + valueBytes
  }
  return handles
}

/** Snappy's block format. The checksum was verified, so the text is what LevelDB wrote. */
function unsnappy(from: Buffer): Buffer {
  const cursor = { at: 0 }
  const to = Buffer.alloc(readVarint(from, cursor))
  let written = 0
  while (cursor.at < from.length) {
    const tag = from.readUInt8(cursor.at++)
    if ((tag & 3) === 0) {
      const extra = Math.max(0, (tag >>> 2) - 59)
      const length = (extra === 0 ? tag >>> 2 : from.readUIntLE(cursor.at, extra)) + 1
      cursor.at += extra
      from.copy(to, written, cursor.at, cursor.at + length)
      cursor.at += length
      written += length
      continue
    }
    const short = (tag & 3) === 1
    const width = short ? 1 : (tag & 3) === 2 ? 2 : 4
    const length = short ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const back = from.readUIntLE(cursor.at, width) + (short ? (tag >>> 5) * 256 : 0)
    cursor.at += width
    for (const stop = written + length; written < stop; written++) to[written] = to[written - back] ?? 0
  }
  return to
}

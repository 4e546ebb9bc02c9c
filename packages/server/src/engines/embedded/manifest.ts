// LevelDB's MANIFEST: which tables belong to the store. A kill leaves half-written ones beside them that belong to nobody. And
// a power cut may leave the last edit unfinished; LevelDB does not open the store then, although nothing is missing. Reads only
// what it needs of the format: records in blocks of 32 KiB, edits of added and removed files.

import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c, unmasked } from './crc32c.ts'

const blockBytes = 32_768
const headerBytes = 7

/** The numbers of the live tables; undefined when that cannot be read, which LevelDB will say better. */
export function liveTables(folder: string): ReadonlySet<number> | undefined {
  try {
    return needed(readEdits(readFileSync(manifestOf(folder)))).tables
  } catch {
    return undefined
  }
}

/**
 * Cuts off the last edit when it was never finished: when its bytes or the tables that it adds did not reach the disk, and
 * all that the edits before it need is there. LevelDB removes nothing before the edit is synced that makes it needless, so
 * an edit that was finished and damaged since stays. To be called when LevelDB refused the store, so nobody had it open.
 * @param path the list that was refused, as `manifestOf` gave it before: who opens the store makes another one
 * @returns whether there was such an edit
 */
export function cutUnfinishedEdit(folder: string, path: string): boolean {
  try {
    const bytes = readFileSync(path)
    const edits = readEdits(bytes)
    const end = edits.at(-1)?.end ?? 0
    const torn = bytes.subarray(end).some((byte) => byte !== 0)
    if (torn ? recordAfter(bytes, end) : isThere(folder, edits)) return false
    const kept = torn ? edits : edits.slice(0, -1)
    if (!isThere(folder, kept)) return false
    const handle = openSync(path, 'r+')
    ftruncateSync(handle, kept.at(-1)?.end ?? 0)
    fsyncSync(handle)
    closeSync(handle)
    return true
  } catch {
    return false
  }
}

/** LevelDB's list. */
export function manifestOf(folder: string): string {
  return join(folder, readFileSync(join(folder, 'CURRENT'), 'utf8').trim())
}

/** An edit, and where it ends in the file. */
interface EditRecord {
  readonly bytes: Buffer
  readonly end: number
}

/** The edits up to the first that is not whole. */
function readEdits(bytes: Buffer): EditRecord[] {
  const edits: EditRecord[] = []
  let parts: Buffer[] = []
  for (let at = 0; ; ) {
    const left = blockBytes - (at % blockBytes)
    if (left < headerBytes) at += left
    const record = recordAt(bytes, at)
    if (record === undefined) return edits
    at += headerBytes + record.length
    // 1 whole, 2 first, 3 middle, 4 last part
    if (record.type <= 2) parts = []
    parts.push(record.part)
    if (record.type === 1 || record.type === 4) edits.push({ bytes: Buffer.concat(parts), end: at })
  }
}

/** The record that stands there whole, with its checksum. */
function recordAt(bytes: Buffer, at: number) {
  if (at + headerBytes > bytes.length) return undefined
  const length = bytes.readUInt16LE(at + 4)
  const type = bytes.readUInt8(at + 6)
  const end = at + headerBytes + length
  if (type < 1 || type > 4 || end > bytes.length || (at % blockBytes) + headerBytes + length > blockBytes)
    return undefined
  if (unmasked(bytes.readUInt32LE(at)) !== crc32c(bytes, at + 6, end)) return undefined
  return { type, length, part: bytes.subarray(at + headerBytes, end) }
}

/** Whether anything whole follows: then what is not whole before it was not the end. */
function recordAfter(bytes: Buffer, from: number): boolean {
  if (bytes.length - from > 2 * blockBytes) return true
  for (let at = from; at < bytes.length; at++) if (recordAt(bytes, at) !== undefined) return true
  return false
}

/** Which tables the store has after the edits, and the oldest log that is not in them. */
function needed(edits: readonly EditRecord[]): { readonly tables: ReadonlySet<number>; readonly log: number } {
  const tables = new Set<number>()
  let log = 0
  for (const { bytes } of edits) log = apply(bytes, tables) ?? log
  return { tables, log }
}

function isThere(folder: string, edits: readonly EditRecord[]): boolean {
  const { tables, log } = needed(edits)
  const name = (number: number) => join(folder, String(number).padStart(6, '0'))
  if (log === 0 || !existsSync(`${name(log)}.log`)) return false
  return [...tables].every((number) => existsSync(`${name(number)}.ldb`) || existsSync(`${name(number)}.sst`))
}

class Edit {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.#at++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }

  skipText(): void {
    const length = this.number()
    this.#at += length
  }
}

/** Gives the number of the log, where the edit says one. */
function apply(record: Buffer, live: Set<number>): number | undefined {
  const edit = new Edit(record)
  let log: number | undefined
  while (!edit.ended) {
    const tag = edit.number()
    if (tag === 1) edit.skipText()
    else if (tag === 2) log = edit.number()
    else if (tag === 3 || tag === 4 || tag === 9) edit.number()
    else if (tag === 5) {
      edit.number()
      edit.skipText()
    } else if (tag === 6) {
      edit.number()
      live.delete(edit.number())
    } else if (tag === 7) {
      edit.number()
      live.add(edit.number())
      edit.number()
      edit.skipText()
      edit.skipText()
    } else throw new Error(`unknown edit ${tag}`)
  }
  return log
}

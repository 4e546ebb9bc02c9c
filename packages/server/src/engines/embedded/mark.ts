// The high-water mark: the number of the last acknowledged batch, in a small file beside LevelDB's. LevelDB takes a log
// that was cut short for one that ended there; the mark knows better. It is written in place after the batch returned and
// before its callers hear of it, so it is never ahead of what was on disk; after a power cut it may be behind. It carries
// the schema version too, so that a store of a newer Nitka is recognised before LevelDB touches a file.

import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const magic = 0x4e54_4b41 // NTKA
const bytesTotal = 20

export type MarkRead =
  | { readonly state: 'absent' }
  | { readonly state: 'damaged' }
  | { readonly state: 'read'; readonly schema: number; readonly batch: number }

/** What the mark of the store in `dataDir` says. */
export function readMark(dataDir: string): MarkRead {
  let bytes: Buffer
  try {
    bytes = readFileSync(join(dataDir, 'committed'))
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return { state: 'absent' }
    throw thrown
  }
  if (bytes.length !== bytesTotal || bytes.readUInt32BE(0) !== magic) return { state: 'damaged' }
  if (bytes.readUInt32BE(16) !== crc32(bytes.subarray(0, 16))) return { state: 'damaged' }
  return { state: 'read', schema: bytes.readUInt32BE(4), batch: Number(bytes.readBigUInt64BE(8)) }
}

/** Writes the mark. The handle stays open. */
export class Mark {
  readonly #handle: number
  readonly #bytes = Buffer.alloc(bytesTotal)

  /** Makes the file, with batch 0 and synced, when it is not there. */
  constructor(dataDir: string, schema: number, absent: boolean) {
    this.#handle = openSync(join(dataDir, 'committed'), absent ? 'wx+' : 'r+')
    this.#bytes.writeUInt32BE(magic, 0)
    this.#bytes.writeUInt32BE(schema, 4)
    if (!absent) return
    this.write(0)
    fsyncSync(this.#handle)
  }

  /** Runs once per commit: 20 bytes into the page cache, some microseconds. */
  write(batch: number): void {
    this.#bytes.writeBigUInt64BE(BigInt(batch), 8)
    this.#bytes.writeUInt32BE(crc32(this.#bytes.subarray(0, 16)), 16)
    writeSync(this.#handle, this.#bytes, 0, bytesTotal, 0)
  }

  close(): void {
    closeSync(this.#handle)
  }
}

// The high-water mark: the number of the last acknowledged batch, in a small file beside LevelDB's. LevelDB takes a log
// that was cut short for one that ended there; the mark knows better. It is written in place after the batch returned and
// before its callers hear of it, so it is never ahead of what was on disk; after a power cut it may be behind. It carries
// the schema version too, so that a store of a newer Nitka is recognised before LevelDB touches a file.

import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const magic = 0x4e54_4b41 // NTKA
const bytesTotal = 20

export type MarkRead =
  | { readonly state: 'absent' }
  /** The process that made it, or the machine, ended before its bytes reached the disk. A store is made after that. */
  | { readonly state: 'unwritten' }
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
  if (bytes.every((byte) => byte === 0)) return { state: 'unwritten' }
  if (bytes.length !== bytesTotal || bytes.readUInt32BE(0) !== magic) return { state: 'damaged' }
  if (bytes.readUInt32BE(16) !== crc32(bytes.subarray(0, 16))) return { state: 'damaged' }
  return { state: 'read', schema: bytes.readUInt32BE(4), batch: Number(bytes.readBigUInt64BE(8)) }
}

/** Writes the mark, whose file must be there. The handle stays open. */
export class Mark {
  readonly #handle: number
  readonly #bytes = Buffer.alloc(bytesTotal)

  constructor(dataDir: string, schema: number) {
    this.#handle = openSync(join(dataDir, 'committed'), 'r+')
    this.#bytes.writeUInt32BE(magic, 0)
    this.#bytes.writeUInt32BE(schema, 4)
  }

  /** Runs once per commit: 20 bytes into the page cache, some microseconds. */
  write(batch: number): void {
    this.#bytes.writeBigUInt64BE(BigInt(batch), 8)
    this.#bytes.writeUInt32BE(crc32(this.#bytes.subarray(0, 16)), 16)
    writeSync(this.#handle, this.#bytes, 0, bytesTotal, 0)
  }

  /** Puts on disk what was written: when a store is opened, so that it is not far behind even after a power cut. */
  sync(): void {
    ftruncateSync(this.#handle, bytesTotal)
    fsyncSync(this.#handle)
  }

  close(): void {
    closeSync(this.#handle)
  }
}

/** Makes the file, with batch 0 and on disk, when it is not there or was never written. */
export function makeMark(dataDir: string, schema: number): void {
  const path = join(dataDir, 'committed')
  if (!existsSync(path)) closeSync(openSync(path, 'a'))
  if (readMark(dataDir).state !== 'unwritten') return // Another process was faster.
  const mark = new Mark(dataDir, schema)
  mark.write(0)
  mark.sync()
  mark.close()
}

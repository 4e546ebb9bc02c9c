// The memory that a batch is written into: large chunks, taken again for the next batch. Keys and values are slices of
// them, so that an entry costs no allocation of its own. What it hands out is valid until `reset`.

import { crc32 } from 'node:zlib'
import type { Write } from './disk.ts'

const chunkBytes = 1024 * 1024
/** How many chunks stay for the next batch. */
const chunksKept = 16

/** Writes records part by part. `room` first: the parts themselves check nothing. */
export class Writer {
  #chunks: Buffer[] = [Buffer.allocUnsafeSlow(chunkBytes)]
  #chunk: Buffer = this.#chunks[0] ?? Buffer.alloc(0)
  #next = 1
  #at = 0
  #key = 0
  #value = 0

  /** Begins a record of at most `bytes` bytes, key first. */
  room(bytes: number): void {
    if (this.#at + bytes + 16 > this.#chunk.length) this.#more(bytes + 16)
    this.#key = this.#at
  }

  byte(value: number): void {
    this.#chunk[this.#at++] = value
  }

  short(value: number): void {
    this.#at = this.#chunk.writeUInt16BE(value, this.#at)
  }

  number(value: number): void {
    this.#at = this.#chunk.writeUInt16BE(Math.floor(value / 0x1_0000_0000), this.#at)
    this.#at = this.#chunk.writeUInt32BE(value % 0x1_0000_0000, this.#at)
  }

  bytes(bytes: Buffer): void {
    this.#at += bytes.copy(this.#chunk, this.#at)
  }

  /** At most 255 bytes of UTF-8, their number before them. */
  name(text: string): void {
    const length = this.#chunk.write(text, this.#at + 1)
    this.#chunk[this.#at] = length
    this.#at += 1 + length
  }

  text(text: string): void {
    this.#at += this.#chunk.write(text, this.#at)
  }

  /** Ends a key that stands alone. */
  endKey(): Buffer {
    const key = this.#chunk.subarray(this.#key, this.#at)
    this.#key = this.#at
    return key
  }

  /** Ends the key of a record; what follows is its value. */
  beginValue(): void {
    this.#value = this.#at
  }

  /** Ends the record: adds the checksum over key and value. */
  endRecord(): Write {
    const crc = crc32(this.#chunk.subarray(this.#key, this.#at))
    this.#at = this.#chunk.writeUInt32BE(crc, this.#at)
    return {
      type: 'put',
      key: this.#chunk.subarray(this.#key, this.#value),
      value: this.#chunk.subarray(this.#value, this.#at),
    }
  }

  /** Everything handed out before becomes invalid. */
  reset(): void {
    this.#chunks = this.#chunks.filter((chunk) => chunk.length === chunkBytes).slice(0, chunksKept)
    this.#chunk = this.#chunks[0] ?? Buffer.alloc(0)
    this.#next = 1
    this.#at = 0
  }

  #more(bytes: number): void {
    const kept = this.#chunks[this.#next]
    this.#chunk =
      kept !== undefined && bytes <= kept.length ? kept : Buffer.allocUnsafeSlow(Math.max(bytes, chunkBytes))
    this.#chunks[this.#next] = this.#chunk
    this.#next += 1
    this.#at = 0
  }
}

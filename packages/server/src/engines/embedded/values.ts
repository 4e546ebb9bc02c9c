// The bytes of values. Every value ends in a CRC-32 over its key and itself: LevelDB checks its tables' blocks only when
// asked, and nobody asks, so a flipped bit would come out as data; with the key inside, a value under another's key
// fails too.

import { crc32 } from 'node:zlib'
import type { Entry } from '../../log/log-store.ts'
import type { Writer } from './writer.ts'

const crcBytes = 4

/** `body` with the checksum that belongs to `key`. */
export function seal(key: Buffer, body: Buffer): Buffer {
  const value = Buffer.allocUnsafe(body.length + crcBytes)
  body.copy(value)
  value.writeUInt32BE(crc32(body, crc32(key)), body.length)
  return value
}

/** The body of a sealed value, undefined when value or key are not what was written. */
export function unseal(key: Buffer, value: Buffer): Buffer | undefined {
  const end = value.length - crcBytes
  if (end < 0) return undefined
  const body = value.subarray(0, end)
  return value.readUInt32BE(end) === crc32(body, crc32(key)) ? body : undefined
}

/** Reads the parts of a body in the order in which `Writer` wrote them. */
export class Parts {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  short(): number {
    this.#at += 2
    return this.#bytes.readUInt16BE(this.#at - 2)
  }

  number(): number {
    this.#at += 6
    return this.#bytes.readUInt16BE(this.#at - 6) * 0x1_0000_0000 + this.#bytes.readUInt32BE(this.#at - 4)
  }

  name(): string {
    const length = this.byte()
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  raw(length: number): Buffer {
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  rest(): string {
    const text = this.#bytes.toString('utf8', this.#at)
    this.#at = this.#bytes.length
    return text
  }
}

/** What of an entry stands in its value; its offset stands in the key. */
export interface StoredEntry {
  readonly id: string
  readonly time: number
  readonly sender: string
  readonly body: string
  readonly thread?: string
}

const hasThread = 1
const hasClientId = 2

/** Runs once per entry appended; the caller has made room. */
export function writeEntry(writer: Writer, entry: StoredEntry, clientId: string | undefined, counted: number): void {
  writer.byte((entry.thread === undefined ? 0 : hasThread) | (clientId === undefined ? 0 : hasClientId))
  writer.number(entry.time)
  writer.number(counted)
  writer.name(entry.id)
  writer.name(entry.sender)
  if (entry.thread !== undefined) writer.name(entry.thread)
  if (clientId !== undefined) writer.name(clientId)
  writer.text(entry.body)
}

/** The most bytes that `writeEntry` can write. */
export function entryBytesMax(entry: StoredEntry): number {
  return 64 + 4 * 256 + entry.body.length * 3
}

export function readEntry(body: Buffer, offset: number): Entry {
  const parts = new Parts(body)
  const has = parts.byte()
  const time = parts.number()
  const counted = parts.number()
  const id = parts.name()
  const sender = parts.name()
  const thread = (has & hasThread) === 0 ? undefined : parts.name()
  const clientId = (has & hasClientId) === 0 ? undefined : parts.name()
  return {
    offset,
    id,
    time,
    sender,
    body: parts.rest(),
    counted,
    ...(thread === undefined ? undefined : { thread }),
    ...(clientId === undefined ? undefined : { clientId }),
  }
}

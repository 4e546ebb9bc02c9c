// Which tables belong to the store: LevelDB's MANIFEST says, and a kill leaves half-written ones beside them that belong to
// nobody. Reads only what it needs of the format: records in blocks of 32 KiB, edits of added and removed files.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const blockBytes = 32_768
const headerBytes = 7

/** The numbers of the live tables; undefined when that cannot be read, which LevelDB will say better. */
export function liveTables(folder: string): ReadonlySet<number> | undefined {
  try {
    const current = readFileSync(join(folder, 'CURRENT'), 'utf8').trim()
    const live = new Set<number>()
    for (const record of records(readFileSync(join(folder, current)))) apply(record, live)
    return live
  } catch {
    return undefined
  }
}

function* records(bytes: Buffer): Generator<Buffer> {
  let parts: Buffer[] = []
  let at = 0
  while (at + headerBytes <= bytes.length) {
    const left = blockBytes - (at % blockBytes)
    if (left < headerBytes) {
      at += left
      continue
    }
    const length = bytes.readUInt16LE(at + 4)
    const type = bytes.readUInt8(at + 6) // 1 whole, 2 first, 3 middle, 4 last part
    at += headerBytes
    if (type <= 2) parts = []
    parts.push(bytes.subarray(at, at + length))
    at += length
    if (type === 1 || type === 4) yield Buffer.concat(parts)
  }
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

function apply(record: Buffer, live: Set<number>): void {
  const edit = new Edit(record)
  while (!edit.ended) {
    const tag = edit.number()
    if (tag === 1) edit.skipText()
    else if (tag === 2 || tag === 3 || tag === 4 || tag === 9) edit.number()
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
}

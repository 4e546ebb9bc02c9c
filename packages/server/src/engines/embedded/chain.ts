// The commit chain: every batch carries its number, kept in a ring. A batch that LevelDB lost (a damaged block of its
// log, a table that vanished) leaves a hole in the ring or an end below the mark, and the store refuses to open.
// The ring must outlast LevelDB's log: 65,536 batches of the smallest size are more than one log holds.

import type { Disk, Write } from './disk.ts'
import { beyond, key, spaces } from './keys.ts'
import { seal, unseal } from './values.ts'

const ringSize = 65_536

/** Where the chain stands in a store just opened. */
export interface ChainRead {
  /** The largest number found, `base` when there is none. */
  readonly last: number
  /** The first run of numbers that should be there and are not. */
  readonly missing: { readonly from: number; readonly to: number } | undefined
}

/** The write that puts batch `number` into the ring. */
export function link(number: number): Write {
  const slot = Buffer.alloc(2)
  slot.writeUInt16BE(number % ringSize)
  const at = key(spaces.chain, slot)
  const body = Buffer.allocUnsafe(6)
  body.writeUIntBE(number, 0, 6)
  return { type: 'put', key: at, value: seal(at, body) }
}

/** Reads the ring. Numbers up to `base` belong to an older chain and are not asked for. */
export async function readChain(disk: Disk, base: number): Promise<ChainRead> {
  const numbers = new Float64Array(ringSize)
  let from = spaces.chain
  let last = base
  for (;;) {
    const rows = await disk.scan({ from, to: beyond(spaces.chain), limit: ringSize, bytesMax: 16 * 1024 * 1024 })
    if (rows.length === 0) break
    for (const [at, value] of rows) {
      from = Buffer.concat([at, Buffer.from([0])])
      const number = numberIn(at, value)
      if (number === undefined) continue
      numbers[number % ringSize] = number
      last = Math.max(last, number)
    }
  }
  return { last, missing: firstHole(numbers, base, last) }
}

function numberIn(at: Buffer, value: Buffer): number | undefined {
  const body = unseal(at, value)
  if (body === undefined || body.length !== 6 || at.length !== spaces.chain.length + 2) return undefined
  return body.readUIntBE(0, 6)
}

function firstHole(numbers: Float64Array, base: number, last: number): ChainRead['missing'] {
  const oldest = Math.max(base + 1, last - ringSize + 1)
  for (let number = oldest; number <= last; number++) {
    if (numbers[number % ringSize] === number) continue
    let to = number
    while (to < last && numbers[(to + 1) % ringSize] !== to + 1) to += 1
    return { from: number, to }
  }
  return undefined
}

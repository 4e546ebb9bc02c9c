// CRC-32C, which LevelDB writes behind every block of its tables and Node does not offer. Eight bytes a step.

const t0 = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let crc = i
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  t0[i] = crc
}
const t1 = shifted(t0)
const t2 = shifted(t1)
const t3 = shifted(t2)
const t4 = shifted(t3)
const t5 = shifted(t4)
const t6 = shifted(t5)
const t7 = shifted(t6)

/** The table for one byte further from the end. */
function shifted(table: Uint32Array): Uint32Array {
  return table.map((crc) => (crc >>> 8) ^ lookUp(t0, crc & 0xff))
}

/** The checksum of `bytes` from `start` up to `end`. Runs over every byte of every table when a store is verified. */
export function crc32c(bytes: Buffer, start: number, end: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let crc = 0xffff_ffff
  let at = start
  for (; at + 8 <= end; at += 8) {
    const low = view.getInt32(at, true) ^ crc
    const high = view.getInt32(at + 4, true)
    crc =
      lookUp(t7, low & 0xff) ^
      lookUp(t6, (low >>> 8) & 0xff) ^
      lookUp(t5, (low >>> 16) & 0xff) ^
      lookUp(t4, low >>> 24) ^
      lookUp(t3, high & 0xff) ^
      lookUp(t2, (high >>> 8) & 0xff) ^
      lookUp(t1, (high >>> 16) & 0xff) ^
      lookUp(t0, high >>> 24)
  }
  for (; at < end; at++) crc = lookUp(t0, (crc ^ view.getUint8(at)) & 0xff) ^ (crc >>> 8)
  return (crc ^ 0xffff_ffff) >>> 0
}

function lookUp(table: Uint32Array, index: number): number {
  return table[index] ?? 0
}

/** LevelDB masks the checksums that it writes. */
export function unmasked(crc: number): number {
  const turned = (crc - 0xa282ead8) >>> 0
  return ((turned >>> 17) | (turned << 15)) >>> 0
}

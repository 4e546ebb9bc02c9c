// Texts of any length over a bus that carries only short messages: cut into pieces, and put together again. A text of which
// a piece is lost is lost as a whole; whoever sent it asks again.

import type { Clock } from '../world.ts'

/** Bytes of a piece. Below what buses take: NATS takes 1 MiB by default. */
const pieceBytesMax = 512 * 1024
/**
 * Bytes that a question or an answer may have, as JSON. What waits to be sent has a limit, too: more would never arrive as a
 * whole, and be sent again and again.
 */
export const textBytesMax = 8 * 1024 * 1024
/** Bytes of unfinished texts that are kept. The oldest go first. */
const unfinishedBytesMax = 64 * 1024 * 1024
const unfinishedMs = 10_000
/** kind, number of the text, place of the piece, count of pieces */
const headBytes = 1 + 4 + 2 + 2

interface Unfinished {
  readonly pieces: (Uint8Array | undefined)[]
  missing: number
  bytes: number
  readonly since: number
}

/** Cuts. */
export class ParcelCutter {
  #number = 0

  /** @throws RangeError longer than 65,535 pieces, 32 GiB */
  cut(text: string): readonly Uint8Array[] {
    const bytes = Buffer.from(text)
    const count = Math.max(1, Math.ceil(bytes.length / pieceBytesMax))
    this.#number = (this.#number + 1) % 2 ** 32
    return Array.from({ length: count }, (_, i) => {
      const piece = bytes.subarray(i * pieceBytesMax, (i + 1) * pieceBytesMax)
      const parcel = Buffer.allocUnsafe(headBytes + piece.length)
      parcel.writeUInt8(1, 0)
      parcel.writeUInt32BE(this.#number, 1)
      parcel.writeUInt16BE(i, 5)
      parcel.writeUInt16BE(count, 7)
      parcel.set(piece, headBytes)
      return parcel
    })
  }
}

/** Puts together what one sender cut. */
export class ParcelJoiner {
  readonly #clock: Clock
  readonly #unfinished = new Map<number, Unfinished>()
  #bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Bytes of pieces whose text is not whole yet. */
  get bytes(): number {
    return this.#bytes
  }

  /** The text, when this was its last piece. What is no parcel is ignored. */
  join(parcel: Uint8Array): string | undefined {
    const bytes = Buffer.from(parcel.buffer, parcel.byteOffset, parcel.byteLength)
    if (bytes.length < headBytes || bytes[0] !== 1) return undefined
    const [number, place, count] = [bytes.readUInt32BE(1), bytes.readUInt16BE(5), bytes.readUInt16BE(7)]
    if (count === 1) return bytes.toString('utf8', headBytes)
    if (place >= count) return undefined
    const one = this.#of(number, count)
    if (one.pieces.length !== count || one.pieces[place] !== undefined) return undefined
    // A copy: the bus may use its memory again.
    const piece = new Uint8Array(bytes.subarray(headBytes))
    one.pieces[place] = piece
    one.missing--
    one.bytes += piece.length
    this.#bytes += piece.length
    if (one.missing > 0) {
      this.#bound(number)
      return undefined
    }
    this.#forget(number, one)
    return Buffer.concat(one.pieces as Uint8Array[]).toString('utf8')
  }

  #of(number: number, count: number): Unfinished {
    const known = this.#unfinished.get(number)
    if (known !== undefined) return known
    const fresh = { pieces: new Array(count), missing: count, bytes: 0, since: this.#clock.monotonic() }
    this.#unfinished.set(number, fresh)
    return fresh
  }

  /** Old ones will not be finished any more, and all together have a limit. */
  #bound(current: number): void {
    const old = this.#clock.monotonic() - unfinishedMs
    for (const [number, one] of this.#unfinished) {
      if (number === current || (one.since > old && this.#bytes <= unfinishedBytesMax)) continue
      this.#forget(number, one)
    }
  }

  #forget(number: number, one: Unfinished): void {
    this.#bytes -= one.bytes
    this.#unfinished.delete(number)
  }
}

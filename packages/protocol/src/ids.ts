// Ids as rs/xid makes them: 12 bytes (4 of seconds, 3 of machine, 2 of process, 3 of counter), base32hex in lower
// case, 20 characters, sortable by time. Ids from one source always grow, even when the wall clock goes back.
// Source: https://github.com/rs/xid

const alphabet = '0123456789abcdefghijklmnopqrstuv'
const counterMax = 0xff_ff_ff

/** A source of ids. Two sources must differ in `origin`. */
export class IdSource {
  readonly #now: () => number
  readonly #bytes = new Uint8Array(12)
  #seconds = 0
  #counter: number

  /**
   * @param now wall time, milliseconds since 1970
   * @param origin 8 bytes: 3 of machine, 2 of process, 3 of the counter's start
   */
  constructor(now: () => number, origin: Uint8Array) {
    if (origin.length !== 8) throw new RangeError(`origin must be 8 bytes, not ${origin.length}`)
    this.#now = now
    this.#bytes.set(origin.subarray(0, 5), 4)
    const [high = 0, middle = 0, low = 0] = origin.subarray(5)
    // The top bit stays free, so that a second has room for eight million ids before it must borrow from the next.
    this.#counter = ((high & 0x7f) << 16) | (middle << 8) | low
  }

  /** The next id. Larger, as text, than every id before it from this source. */
  next(): string {
    const seconds = Math.floor(this.#now() / 1000)
    if (seconds > this.#seconds) {
      this.#seconds = seconds
      this.#counter &= 0x7f_ff_ff
    }
    if (this.#counter === counterMax) {
      this.#seconds++
      this.#counter = 0
    } else {
      this.#counter++
    }
    const bytes = this.#bytes
    bytes[0] = this.#seconds >>> 24
    bytes[1] = this.#seconds >>> 16
    bytes[2] = this.#seconds >>> 8
    bytes[3] = this.#seconds
    bytes[9] = this.#counter >>> 16
    bytes[10] = this.#counter >>> 8
    bytes[11] = this.#counter
    return encodeId(bytes)
  }
}

/** 12 bytes as 20 characters. */
export function encodeId(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >>> bits) & 31]
    }
    value &= 0xff
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text
}

/** Whether the text is an id as this file makes them. */
export function isId(text: string): boolean {
  return /^[0-9a-v]{19}[0g]$/.test(text)
}

/** When an id was made, in milliseconds since 1970, to the second. The text must be an id. */
export function idTime(id: string): number {
  let value = 0
  for (const character of id.slice(0, 7)) value = value * 32 + alphabet.indexOf(character)
  return Math.floor(value / 8) * 1000
}

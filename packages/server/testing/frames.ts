// WebSocket frames byte by byte, for tests that want to see or send exactly what travels.

export interface Frame {
  readonly fin: boolean
  /** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  readonly opcode: number
  readonly payload: Buffer
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Frames from a server, as they arrive in any pieces. Strict: throws at the first byte that RFC 6455 forbids. */
export class FrameReader {
  readonly frames: Frame[] = []
  #rest: Buffer = Buffer.alloc(0)
  #closed = false
  #fragmented = false

  /** Bytes of a frame that is not complete. */
  get left(): number {
    return this.#rest.length
  }

  push(bytes: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes])
    let at = 0
    for (let end = this.#readOne(at); end > at; end = this.#readOne(at)) at = end
    this.#rest = this.#rest.subarray(at)
  }

  /** Takes the frame that begins at `at`, and returns where it ends; `at` when it is not complete. */
  #readOne(at: number): number {
    const bytes = this.#rest
    if (bytes.length - at < 2) return at
    const [first, second] = [bytes[at]!, bytes[at + 1]!]
    const opcode = first & 0x0f
    if (this.#closed) throw new Error('bytes after the close frame')
    if ((first & 0x70) !== 0) throw new Error(`reserved bits in ${first.toString(2)}`)
    if (!Object.values(opcodes).includes(opcode as never)) throw new Error(`opcode ${opcode}`)
    if ((second & 0x80) !== 0) throw new Error('a server must not mask')
    const short = second & 0x7f
    const head = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length - at < head) return at
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    if ((short === 126 && length < 126) || (short === 127 && length < 65_536)) throw new Error('length is not minimal')
    const fin = (first & 0x80) !== 0
    if (opcode >= 8 && (!fin || length > 125)) throw new Error('a control frame in pieces, or too long')
    if (opcode < 8) {
      if ((opcode === 0) !== this.#fragmented) throw new Error(`opcode ${opcode} in the middle of a message`)
      this.#fragmented = !fin
    }
    const end = at + head + length
    if (bytes.length < end) return at
    this.frames.push({ fin, opcode, payload: Buffer.from(bytes.subarray(at + head, end)) })
    if (opcode === opcodes.close) this.#closed = true
    return end
  }
}

/** All frames in `bytes`. */
export function framesOf(bytes: Uint8Array): readonly Frame[] {
  const reader = new FrameReader()
  reader.push(bytes)
  if (reader.left > 0) throw new Error(`${reader.left} bytes of a frame that is cut off`)
  return reader.frames
}

/** A frame as a client sends it: masked. */
export function clientFrame(opcode: number, payload: Uint8Array | string, fin = true): Buffer {
  const data = Buffer.from(payload as string)
  const length = data.length
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = (fin ? 0x80 : 0) | opcode
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  const mask = Buffer.from([0x12, 0x34, 0x56, 0x78])
  for (let i = 0; i < length; i++) data[i] = data[i]! ^ mask[i & 3]!
  return Buffer.concat([head, mask, data])
}

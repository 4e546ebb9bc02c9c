// WebSocket frames from the server (RFC 6455 §5.2): unmasked, unfragmented, uncompressed. Built here, once for all
// receivers of a message; `ws` builds only its own control frames.

import type { Framing } from '../sessions/wire.ts'

const finText = 0x81
const finBinary = 0x82

function headBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

/** Writes a frame's head at `at` and returns where the payload goes. */
function writeHead(frame: Buffer, at: number, opcode: number, length: number): number {
  frame[at] = opcode
  if (length < 126) {
    frame[at + 1] = length
    return at + 2
  }
  if (length < 65_536) {
    frame[at + 1] = 126
    frame.writeUInt16BE(length, at + 2)
    return at + 4
  }
  frame[at + 1] = 127
  frame.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2)
  frame.writeUInt32BE(length >>> 0, at + 6)
  return at + 10
}

export const webSocketFraming: Framing = {
  text(text) {
    const length = Buffer.byteLength(text)
    const frame = Buffer.allocUnsafe(headBytes(length) + length)
    frame.write(text, writeHead(frame, 0, finText, length))
    return frame
  },

  /** An empty text is left out: the encoding has nothing to say of that message. */
  texts(texts) {
    const lengths = texts.map((text) => Buffer.byteLength(text))
    let total = 0
    for (const length of lengths) total += length === 0 ? 0 : headBytes(length) + length
    const bytes = Buffer.allocUnsafe(total)
    const ends: number[] = []
    let at = 0
    for (let i = 0; i < texts.length; i++) {
      const length = lengths[i] ?? 0
      if (length > 0) {
        at = writeHead(bytes, at, finText, length)
        at += bytes.write(texts[i] ?? '', at)
      }
      ends.push(at)
    }
    return { bytes, ends }
  },

  /** Runs once per pulse and channel; one copy of each payload. bench/fan-out */
  payloads(payloads) {
    let total = 0
    for (const { data } of payloads) total += headBytes(data.length) + data.length
    const bytes = Buffer.allocUnsafe(total)
    const ends: number[] = new Array(payloads.length)
    let at = 0
    for (let i = 0; i < payloads.length; i++) {
      const payload = payloads[i]
      if (payload === undefined) continue
      at = writeHead(bytes, at, payload.binary ? finBinary : finText, payload.data.length)
      bytes.set(payload.data, at)
      at += payload.data.length
      ends[i] = at
    }
    return { bytes, ends }
  },
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Frame, framesOf, opcodes } from '../../testing/frames.ts'
import { webSocketFraming as framing } from './websocket-framing.ts'

const boundaries = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 200_000]

function one(bytes: Uint8Array): Frame {
  const frames = framesOf(bytes)
  assert.equal(frames.length, 1)
  return frames[0]!
}

test('a text of any length becomes one whole frame with the shortest head', () => {
  for (const length of boundaries) {
    const text = 'x'.repeat(length)
    const bytes = framing.text(text)
    const { fin, opcode, payload } = one(bytes)
    assert.deepEqual([fin, opcode, payload.toString() === text], [true, opcodes.text, true], `${length}`)
    assert.equal(bytes.length, length + (length < 126 ? 2 : length < 65_536 ? 4 : 10), `${length}`)
  }
})

test('the length of a frame counts bytes, not characters', () => {
  for (const text of ['é'.repeat(63), 'é'.repeat(62), '🦀'.repeat(16_384), '字'.repeat(21_845), 'a🦀é字\u0000']) {
    assert.equal(one(framing.text(text)).payload.toString(), text)
    const { bytes, ends } = framing.texts([text, 'fence'])
    assert.deepEqual(
      framesOf(bytes).map(({ payload }) => payload.toString()),
      [text, 'fence'],
    )
    assert.equal(ends[1], bytes.length)
    assert.equal(one(bytes.subarray(0, ends[0])).payload.toString(), text)
  }
})

test('joined texts stand in order; an empty one is left out and ends where the one before it ends', () => {
  const texts = boundaries.map((length) => 'y'.repeat(length))
  const { bytes, ends } = framing.texts(texts)
  assert.deepEqual(
    framesOf(bytes).map(({ payload }) => payload.length),
    boundaries.slice(1),
  )
  assert.equal(ends.length, texts.length)
  assert.equal(ends[0], 0)
  const sparse = framing.texts(['', 'a', '', 'b', ''])
  assert.deepEqual(sparse.ends, [0, 3, 3, 6, 6])
  assert.deepEqual(framing.texts(['', '']), { bytes: Buffer.alloc(0), ends: [0, 0] })
})

test('joined payloads keep their bytes, their opcode and their place, empty ones too', () => {
  const payloads = boundaries.flatMap((length) => [
    { data: Buffer.alloc(length, 0xfe), binary: true },
    { data: Buffer.alloc(length, 0x41), binary: false },
  ])
  const { bytes, ends } = framing.payloads(payloads)
  const frames = framesOf(bytes)
  assert.deepEqual(
    frames.map(({ opcode, payload }) => [opcode, payload.length]),
    payloads.map(({ data, binary }) => [binary ? opcodes.binary : opcodes.text, data.length]),
  )
  assert.ok(frames.every(({ payload }, i) => payload.equals(payloads[i]!.data)))
  payloads.forEach(({ data }, i) => {
    assert.ok(one(bytes.subarray(i === 0 ? 0 : ends[i - 1], ends[i])).payload.equals(data))
  })
})

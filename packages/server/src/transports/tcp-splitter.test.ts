import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Ending, Splitter } from './tcp-splitter.ts'

interface Cut {
  readonly values: [string, Ending][]
  /** Of each value. */
  readonly bytes: number[]
  tooLarge: number
}

function cut(chunks: readonly Buffer[], bytesMax = 1_000_000): Cut {
  const found: Cut = { values: [], bytes: [], tooLarge: 0 }
  const splitter = new Splitter(bytesMax, {
    value: (text, bytes, ending) => {
      found.values.push([text, ending])
      found.bytes.push(bytes)
    },
    tooLarge: () => found.tooLarge++,
  })
  for (const chunk of chunks) splitter.take(chunk)
  return found
}

/** `bytes` in pieces that end at `ends`. */
function pieces(bytes: Buffer, ends: readonly number[]): Buffer[] {
  const sorted = [...new Set(ends.map((end) => end % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...sorted, bytes.length].map((end, i) => bytes.subarray(sorted[i - 1] ?? 0, end))
}

const anyJson = fc.json({ stringUnit: 'binary' }).map((text) => (text.includes('\n') ? '"x"' : text))
const odd = fc.constantFrom(
  '"🦀"',
  '{"a":"\\"🦀\\\\","b":[1]}',
  '"\\\\"',
  '{"crab":"🦀🦀"}',
  '"\ud83e"',
  '{}',
  '"🦂"',
  '[1,2]',
)

test('any fragmentation of any values, with either ending each, gives the same values', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(anyJson, odd), fc.constantFrom<Ending>('\n', '🦀')), { maxLength: 8 }),
      fc.array(fc.nat(400), { maxLength: 30 }),
      (values, ends) => {
        const bytes = Buffer.from(values.map(([value, ending]) => value + ending).join(''))
        const expected = values.map(([value, ending]) => [Buffer.from(value).toString(), ending])
        const found = cut(pieces(bytes, ends))
        assert.deepEqual(found.values, expected)
        assert.deepEqual(
          found.bytes,
          values.map(([value]) => Buffer.byteLength(value)),
        )
      },
    ),
    { numRuns: 2_000 },
  )
})

test('random bytes never throw, and any fragmentation of them says the same', () => {
  const bytes = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0x0a, 0x22, 0x5c, 0xf0, 0x9f, 0xa6, 0x80, 0)), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(200), { maxLength: 20 }), (list, ends) => {
      const all = Buffer.from(list)
      assert.deepEqual(cut(pieces(all, ends), 50), cut([all], 50))
    }),
    { numRuns: 3_000 },
  )
})

test('what is blank between two endings is no value', () => {
  const bytes = Buffer.from('\r\n1\r\n\r\n2🦀 \t🦀\r\n🦀\n \n3\n')
  for (const chunks of [[bytes], [...bytes].map((byte) => Buffer.of(byte))]) {
    assert.deepEqual(cut(chunks).values, [
      ['1\r', '\n'],
      ['2', '🦀'],
      ['3', '\n'],
    ])
  }
})

test('while its listener is not ready no value comes, and then the next one', () => {
  const found: string[] = []
  let ready = false
  const splitter = new Splitter(100, {
    value: (text) => found.push(text),
    tooLarge: () => assert.fail(),
    ready: () => ready,
  })
  splitter.take(Buffer.from('1\n2\n3\n4'))
  assert.deepEqual(found, ['1'])
  splitter.goOn()
  assert.deepEqual(found, ['1', '2'])
  ready = true
  splitter.take(Buffer.from('5\n'))
  assert.deepEqual(found, ['1', '2', '3', '45'])
})

test('a listener that takes one value at a time gets the same ones, whatever came between', () => {
  const value = fc.oneof(fc.constantFrom('{"a":"x y"}', '1', '"ü"', '[]'), odd)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(value, fc.constantFrom<Ending>('\n', '🦀')), { maxLength: 12 }),
      fc.array(fc.nat(200), { maxLength: 10 }),
      (values, ends) => {
        const bytes = Buffer.from(values.map(([value, ending]) => value + ending).join(''))
        const found: string[] = []
        let taken = 0
        const splitter = new Splitter(1_000, {
          value: (text) => found.push(text),
          tooLarge: () => assert.fail(),
          ready: () => found.length < taken,
        })
        for (const piece of pieces(bytes, ends)) {
          taken = found.length + 1
          splitter.take(piece)
          assert.ok(found.length <= taken)
        }
        while (taken < values.length) {
          taken = found.length + 1
          splitter.goOn()
          assert.ok(found.length <= taken)
        }
        assert.deepEqual(
          found,
          values.map(([value]) => Buffer.from(value).toString()),
        )
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a line feed ends a value wherever it stands, a 🦀 only outside a string', () => {
  const values = (text: string): string[] => cut([Buffer.from(text)]).values.map(([value]) => value)
  assert.deepEqual(values('{"a":"x\n{}\n'), ['{"a":"x', '{}'])
  assert.deepEqual(values('{"a":"🦀"}🦀{}🦀'), ['{"a":"🦀"}', '{}'])
  assert.deepEqual(values('{"a":1\n\n\n{}\r\n'), ['{"a":1', '{}\r'])
  assert.deepEqual(values('🦀🦀{}🦀'), ['{}'])
})

test('a value may have as many bytes as are allowed, and one more ends everything, finished or not', () => {
  const value = (bytes: number): Buffer => Buffer.from(`"${'x'.repeat(bytes - 2)}"`)
  const lf = Buffer.from('\n')
  assert.equal(cut([value(100), lf], 100).values.length, 1)
  assert.deepEqual(cut([value(101), lf, value(5), lf], 100), { values: [], bytes: [], tooLarge: 1 })
  assert.deepEqual(cut([value(60), value(60), value(60)], 100), { values: [], bytes: [], tooLarge: 1 })
  assert.equal(cut([value(100), Buffer.from('🦀')], 100).values.length, 1)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { beyond, key, logBytes, numberMax, ordered, readLogName, spaces } from './keys.ts'
import { seal, unseal } from './values.ts'

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter((text) => !text.includes('\0'))
const log = fc.record({ kind: fc.constantFrom('room' as const, 'user' as const), id: name }, { noNullPrototype: true })

test('no key of one log lies in the range of another', () => {
  fc.assert(
    fc.property(log, log, fc.integer({ min: 0, max: numberMax }), (one, other, offset) => {
      fc.pre(one.kind !== other.kind || one.id !== other.id)
      const range = key(spaces.entry, logBytes(one))
      const at = key(spaces.entry, logBytes(other), ordered(offset))
      assert.ok(Buffer.compare(at, range) < 0 || Buffer.compare(at, beyond(range)) >= 0)
    }),
  )
})

test('a log is read back from its key, and numbers sort as they count', () => {
  const number = fc.integer({ min: 0, max: numberMax })
  fc.assert(
    fc.property(log, number, number, (each, a, b) => {
      assert.deepEqual(readLogName(key(spaces.trim, logBytes(each)), spaces.trim.length), each)
      assert.equal(Buffer.compare(ordered(a), ordered(b)), Math.sign(a - b))
    }),
  )
})

test('a value with any bit flipped, or under another key, is not taken', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((each) => Buffer.from(each))
  fc.assert(
    fc.property(bytes, bytes, fc.nat(), fc.boolean(), (at, body, where, inKey) => {
      const value = seal(at, body)
      assert.deepEqual(unseal(at, value), body)
      const target = inKey ? at : value
      const bit = where % (target.length * 8)
      target.writeUInt8((target[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3)
      assert.equal(unseal(at, value), undefined)
    }),
  )
  assert.equal(unseal(Buffer.from('k'), Buffer.alloc(3)), undefined)
})

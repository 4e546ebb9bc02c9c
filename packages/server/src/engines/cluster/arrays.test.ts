import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { arrayElements, arrayText } from './arrays.ts'

test('an array comes back from its text, whatever is in it', () => {
  const element = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', 'NULL', 'null', '{}', '"', '\\', ',', ' a ', '\n'),
  )
  fc.assert(
    fc.property(fc.array(fc.option(element)), (elements) => {
      assert.deepEqual(arrayElements(arrayText(elements)), elements)
    }),
  )
})

test('what Postgres writes is read: bare words, quoted ones, nulls', () => {
  assert.deepEqual(arrayElements('{}'), [])
  assert.deepEqual(arrayElements('{a,"b c",NULL,"NULL","\\"","\\\\"}'), ['a', 'b c', null, 'NULL', '"', '\\'])
  assert.equal(arrayText([1, null, true, 'x']), '{1,NULL,true,"x"}')
})

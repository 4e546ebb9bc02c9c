import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson } from './json.ts'

test('JSON within the bounds is returned as it is', () => {
  assert.deepEqual(parseJson('{"a":[1,{"constructor":2}]}'), { a: [1, { constructor: 2 }] })
  assert.equal(parseJson('null'), null)
})

test('what is no JSON, too deep, has too many keys or a key __proto__ is refused with its reason', () => {
  const refused: [string, RegExp][] = [
    ['{', /^not JSON$/],
    ['', /^not JSON$/],
    ['['.repeat(33) + ']'.repeat(33), /nested deeper than 32/],
    [`{${Array.from({ length: 1001 }, (_, i) => `"k${i}":0`).join(',')}}`, /more than 1000 keys/],
    ['{"a":{"__proto__":{"admin":true}}}', /__proto__/],
    ['{"\\u005f_proto__":1}', /__proto__/],
  ]
  for (const [text, message] of refused) assert.throws(() => parseJson(text), { code: 'invalid', message })
  assert.equal(({} as Record<string, unknown>).admin, undefined)
})

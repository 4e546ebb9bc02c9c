import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeId, IdSource, idTime, isId } from './ids.ts'

test('an id is encoded as the published vector of rs/xid', () => {
  const bytes = Uint8Array.from([0x4d, 0x88, 0xe1, 0x5b, 0x60, 0xf4, 0x86, 0xe4, 0x28, 0x41, 0x2d, 0xc9])
  assert.equal(encodeId(bytes), '9m4e2mr0ui3e8a215n4g')
  assert.equal(idTime('9m4e2mr0ui3e8a215n4g'), 1_300_816_219_000)
  assert.ok(isId('9m4e2mr0ui3e8a215n4g'))
})

test('ids grow within a second, across seconds, and when the clock goes back', () => {
  let now = 1_700_000_000_000
  const source = new IdSource(() => now, Uint8Array.from([1, 2, 3, 4, 5, 255, 255, 250]))
  let last = ''
  for (let i = 0; i < 100; i++) {
    if (i === 30) now += 1_000
    if (i === 60) now -= 3_600_000
    const id = source.next()
    assert.ok(id > last, `${id} after ${last}`)
    assert.ok(isId(id))
    last = id
  }
})

test('text that is no id is told from one', () => {
  for (const text of [
    '',
    'x',
    '9m4e2mr0ui3e8a215n4',
    '9m4e2mr0ui3e8a215n4w',
    '9M4E2MR0UI3E8A215N4G',
    '9m4e2mr0ui3e8a215n4g0',
  ]) {
    assert.equal(isId(text), false, text)
  }
})

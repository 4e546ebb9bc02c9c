// Logs of a statement come in the order in which the functions of the schema lock them, too.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Append } from '../../log/log-store.ts'
import { appendArguments } from './append-statement.ts'

test('logs are named in the order of their bytes', () => {
  const ids = ['b', '\u{1f980}', 'ab', '\uff21', 'a', '\u{10ffff}', '\ud7ff', 'é']
  const appends = ids.map((id): Append => {
    return { entries: [{ log: { kind: 'user', id }, id: 'x', time: 1, sender: 'ann', body: '1', counts: true }] }
  })
  const [, named] = appendArguments([appends], 1)
  const byBytes = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  assert.deepEqual(named, byBytes)
})

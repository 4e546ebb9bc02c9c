import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../', import.meta.url)

test('every test that a guarantee names exists', () => {
  const text = readFileSync(new URL('docs/guarantees.md', root), 'utf8')
  const named = [...text.matchAll(/`([^`]+\.test\.ts)` “([^”]+)”/g)]
  assert.ok(named.length > 20)
  const missing = named.filter(
    ([, path = '', name = '']) => !readFileSync(new URL(path, root), 'utf8').includes(`'${name}'`),
  )
  assert.deepEqual(
    missing.map(([, path, name]) => `${path}: ${name}`),
    [],
  )
})

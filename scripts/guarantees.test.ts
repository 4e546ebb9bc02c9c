import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
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

test('every test that the page of reasons names exists', () => {
  const text = readFileSync(new URL('docs/why.md', root), 'utf8')
  const named = [...text.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, path = '']) => path)
  assert.ok(named.length > 30)
  const place = (path: string): URL => new URL(path.includes('/') ? path : `packages/server/test/${path}`, root)
  assert.deepEqual(
    named.filter((path) => !existsSync(place(path))),
    [],
  )
})

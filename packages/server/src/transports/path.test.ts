import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '../sessions/dialect.ts'
import { matchPath } from './path.ts'

const endpoints = ['/ws', '/relay', '/relay/:channel', '/rooms/:room/ws'].map(
  (path): Endpoint => ({
    path,
    identity: 'optional',
    open: () => {
      throw new Error('not here')
    },
  }),
)

function find(path: string): unknown {
  const found = matchPath(endpoints, path)
  return found && [found.endpoint.path, { ...found.params }]
}

test('a path finds its endpoint and its parameters, decoded once', () => {
  assert.deepEqual(find('/ws'), ['/ws', {}])
  assert.deepEqual(find('/relay/a%20b'), ['/relay/:channel', { channel: 'a b' }])
  assert.deepEqual(find('/relay/%2541'), ['/relay/:channel', { channel: '%41' }])
  assert.deepEqual(find('/rooms/tea/ws'), ['/rooms/:room/ws', { room: 'tea' }])
})

test('a slash too many, another case or a piece of a path is no endpoint', () => {
  for (const path of ['', '/', '/ws/', '//ws', '/WS', '/wsx', '/relay/a/b', '/rooms/tea', '/rooms/tea/ws/', 'ws']) {
    assert.equal(find(path), undefined, path)
  }
})

test('a parameter named like a property of every object is an ordinary value', () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.equal(matchPath(endpoints, `/relay/${name}`)?.params.channel, name)
  }
})

test('an encoding that is none is refused as such', () => {
  for (const path of ['/relay/%', '/relay/%zz', '/relay/%ff']) assert.throws(() => find(path), { code: 'invalid' })
})

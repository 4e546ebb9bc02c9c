import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback, OriginGuard } from './origin.ts'

const guard = new OriginGuard(['https://app.example'], ['chat.example'])

function refused(host: string | undefined, origin: string | undefined, by = guard): string | undefined {
  try {
    by.check(host, origin)
    return undefined
  } catch (error) {
    return (error as { code: string; field: string }).field
  }
}

test('the server’s own page, an allowed page, and a client that is no browser may come in', () => {
  for (const [host, origin] of [
    ['localhost:8080', undefined],
    ['127.0.0.1:8080', undefined],
    ['[::1]:8080', 'http://[::1]:8080'],
    ['LOCALHOST:8080', 'http://localhost:8080'],
    ['chat.example', 'https://chat.example'],
    ['chat.example:444', 'https://chat.example:444'],
    ['chat.example', 'https://app.example'],
    ['chat.example', 'HTTPS://APP.example'],
  ] as const) {
    assert.equal(refused(host, origin), undefined, `${host} ${origin}`)
  }
})

test('a foreign page is kept out, however alike its name', () => {
  for (const origin of [
    'https://evil.example',
    'null',
    '',
    'https://app.example.evil.example',
    'https://app.example@evil.example',
    'https://evilapp.example',
    'https://app.example:444',
    'https://app.example/',
    'http://app.example',
    'file://',
    'http://localhost:8081',
    'http://localhost',
    'http://localhost:8080.evil.example',
    'http://localhost:80800',
    'http://localhost:8080/',
    'http://user@localhost:8080',
    'ws://localhost:8080',
    'http://127.0.0.1:8080',
  ]) {
    assert.equal(refused('localhost:8080', origin), 'Origin', origin)
  }
})

test('a name that was rebound to this machine is kept out by its Host', () => {
  for (const host of [
    undefined,
    '',
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    'localhost.',
    'localhost:8080:8080',
    'localhost:',
    '127.0.0.1.nip.io',
    'chat.example.evil.example',
    'evil.example#localhost',
    'evil.example/localhost',
    '[::1].evil.example',
    '0.0.0.0',
  ]) {
    assert.equal(refused(host, undefined), 'Host', `${host}`)
    assert.equal(refused(host, `http://${host}`), 'Host', `${host}, same origin`)
  }
})

test('a star opens what it stands for and nothing else', () => {
  const anyOrigin = new OriginGuard(['*'], [])
  assert.equal(refused('localhost:1', 'https://evil.example', anyOrigin), undefined)
  assert.equal(refused('evil.example', 'https://evil.example', anyOrigin), 'Host')
  const anyHost = new OriginGuard([], ['*'])
  assert.equal(refused('any.example:1', 'http://any.example:1', anyHost), undefined)
  assert.equal(refused('any.example:1', 'https://evil.example', anyHost), 'Origin')
})

test('only addresses of this machine are loopback', () => {
  for (const own of ['localhost', '127.0.0.1', '127.9.8.7', '::1', '[::1]', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(own), own)
  for (const other of [
    '',
    '0.0.0.0',
    '::',
    '128.0.0.1',
    '127.0.0.1.example',
    '127.example',
    '10.0.0.1',
    'localhost.example',
  ])
    assert.ok(!isLoopback(other), other)
})

test('a guard for this machine alone refuses what came to another address, and nothing else', () => {
  const [own, open] = [new OriginGuard([], ['*'], true), new OriginGuard([], ['*'])]
  for (const at of ['127.0.0.1', '::1', '::ffff:127.0.0.1', undefined]) own.check('app.example', undefined, at)
  for (const at of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::1']) {
    assert.throws(() => own.check('app.example', undefined, at), { code: 'forbidden' })
    open.check('app.example', undefined, at)
  }
})

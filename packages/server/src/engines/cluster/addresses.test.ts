// Addresses of Postgres and NATS: what of them is told, and what the client of NATS is given.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, natsAccess, natsUrls } from './addresses.ts'

test('what cannot be used is told with its host, and without the password', async () => {
  const refused = (): Promise<never> => Promise.reject(new Error('no answer'))
  await assert.rejects(answering('Postgres', ['postgres://ann:1234,secret@db:5432/nitka'], refused), {
    code: 'unavailable',
    message: 'cannot use Postgres at db:5432: no answer',
  })
})

test('names, passwords and tokens of NATS come from its addresses', () => {
  const servers = ['one:4222', 'two:4223']
  const access = (option: string) => natsAccess(natsUrls(option))
  assert.deepEqual(access('nats://one:4222, nats://two:4223'), { servers })
  assert.deepEqual(access('nats://one:4222,nats://ann:a%2Cb@two:4223'), { servers, user: 'ann', pass: 'a,b' })
  assert.deepEqual(access('tls://a%20token@one:4222'), { servers: ['one:4222'], token: 'a token', tls: {} })
  for (const wrong of ['', 'one:4222', 'nats://one,', 'wss://one:443']) {
    assert.throws(() => natsUrls(wrong), { code: 'invalid', field: 'natsUrl' })
  }
})

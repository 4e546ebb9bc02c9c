// Addresses of Postgres and NATS: what of them is told, and what the client of NATS is given.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, natsUrls } from './addresses.ts'

test('what cannot be used is told with its host, and without the password', async () => {
  const refused = (): Promise<never> => Promise.reject(new Error('no answer'))
  await assert.rejects(answering('Postgres', ['postgres://ann:1234,secret@db:5432/nitka'], refused), {
    code: 'unavailable',
    message: 'cannot use Postgres at db:5432: no answer',
  })
})

test('addresses of NATS are told from others', () => {
  assert.deepEqual(natsUrls('nats://one:4222, tls://two:4223'), ['nats://one:4222', 'tls://two:4223'])
  for (const wrong of ['', 'one:4222', 'nats://one,', 'wss://one:443']) {
    assert.throws(() => natsUrls(wrong), { code: 'invalid', field: 'natsUrl' })
  }
})

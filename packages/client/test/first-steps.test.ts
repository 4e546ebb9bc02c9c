// What goes wrong for whoever begins, and what they are told.

import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '../../server/testing/eventually.ts'
import { start } from '../../server/testing/server.ts'
import { connect, NitkaError, type StateChange } from '../src/index.ts'

test('who forgets to say who they are is told how to', async (t) => {
  const { server } = await start(t)
  const nitka = connect(server.url)
  t.after(() => nitka.close())
  await assert.rejects(nitka.rooms.join('tea'), {
    name: 'NitkaError',
    code: 'unauthenticated',
    message: 'say who you are with ?user= in the address, or with a token',
  })
})

test('an address at which nobody is, or somebody else, is named without its query', async (t) => {
  const { server } = await start(t)
  for (const url of ['http://127.0.0.1:1/?user=secret', `${server.url}/elsewhere?user=secret`]) {
    const nitka = connect(url, { retryBaseMs: 10 })
    t.after(() => nitka.close())
    const states: StateChange[] = []
    nitka.on('state', (change) => states.push(change))
    await eventually(() => states.some(({ state }) => state === 'waiting'), 'it waits')
    const { error } = states.find(({ state }) => state === 'waiting') ?? {}
    const { host, pathname } = new URL(url)
    const why = `ws://${host}${pathname.replace(/\/$/, '')}/ws cannot be reached`
    assert.equal(error?.message, why)
    const sent = nitka.rooms.send('tea', 'hello', { timeoutMs: 50 })
    await assert.rejects(sent, { code: 'timeout', message: `rooms.send was not sent in time, and is not done: ${why}` })
  }
})

test('a token function that fails says why', async (t) => {
  const { server } = await start(t)
  const states: StateChange[] = []
  const nitka = connect(server.url, {
    token: async () => {
      throw new Error('the login service is down')
    },
  })
  t.after(() => nitka.close())
  nitka.on('state', (change) => states.push(change))
  await eventually(() => states.some(({ state }) => state === 'waiting'), 'it waits')
  const { error } = states.find(({ state }) => state === 'waiting') ?? {}
  assert.ok(error instanceof NitkaError)
  assert.equal(error.message, 'there is no token: the login service is down')
})

test('when it is live and flushed everybody can ask what a client answers', async (t) => {
  const { server } = await start(t)
  const [anna, bert] = ['anna', 'bert'].map((user) => connect(`${server.url}?user=${user}`))
  assert.ok(anna && bert)
  t.after(() => [anna, bert].map((one) => one.close()))
  bert.requests.handle('double', (n) => Number(n) * 2)
  await bert.ready()
  await bert.flush()
  assert.equal(await anna.requests.call('double', 21), 42)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '@nitka/client'
import { temporaryFolder } from '../../packages/server/testing/server.ts'
import { run } from '../testing/program.ts'

test('an order that is shipped tells its customer, once; the room of the staff is theirs', {
  timeout: 60_000,
}, async (t) => {
  const shop = run(t, 'fastify/app.ts', { env: { PORT: '0', DATA: await temporaryFolder(t) } })
  const [, origin = '', url = ''] = await shop.says(/shop is at (\S+), and Nitka at (\S+)/)
  assert.equal(await (await fetch(origin)).text(), 'The shop is open.')
  const ship = (order: string) =>
    fetch(`${origin}orders/${order}/ship`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ customer: 'anna' }),
    })
  assert.deepEqual(await (await ship('7')).json(), { shipped: '7' })
  assert.equal((await ship('7')).status, 200)
  assert.equal((await ship('8')).status, 200)

  await using anna = connect(url, { token: 'session-of-anna' })
  await using bert = connect(url, { token: 'session-of-bert' })
  const inbox = await anna.direct.open()
  const told: unknown[] = []
  for await (const { message, system } of inbox.messages()) {
    assert.equal(system, true)
    if (told.push(message) === 2) break
  }
  assert.deepEqual(told, ['Order 7 is on its way', 'Order 8 is on its way'])

  await bert.rooms.create({ id: 'staff', name: 'Staff', open: true })
  await assert.rejects(anna.rooms.join('staff'), { code: 'forbidden' })
  await bert.rooms.join('staff')
  const stranger = connect(url, { token: 'stolen' })
  await assert.rejects(stranger.ready(), { code: 'unauthenticated' })
})

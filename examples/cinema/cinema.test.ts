import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, NitkaError } from '@nitka/client'
import { temporaryServer } from 'nitka/testing'
import { runToEnd } from '../testing/program.ts'
import { buy, plan, seats } from './cinema.ts'

test('fifty buyers at once get thirty seats, each of them one', async () => {
  await using app = await temporaryServer()
  await using box = connect(`${app.server.url}?user=box-office`)
  await box.pools.add('hall', seats)
  const buyers = Array.from({ length: 50 }, (_, i) => connect(`${app.server.url}?user=buyer-${i}`))
  const tickets = await Promise.all(buyers.map((buyer) => buy(buyer)))
  for (const buyer of buyers) buyer.close()

  assert.deepEqual(tickets.flat().sort(), [...seats].sort())
  assert.equal(tickets.filter((ticket) => ticket.length === 0).length, 20)
  const taken = await plan(box)
  for (const [i, [seat]] of tickets.entries()) if (seat !== undefined) assert.equal(taken.get(seat), `buyer-${i}`)
})

test('the last two seats are not sold to somebody who wants three', async () => {
  await using app = await temporaryServer()
  await using box = connect(`${app.server.url}?user=box-office`)
  await box.pools.add('hall', ['A1', 'A2'])
  assert.deepEqual(await buy(box, 3), [])
  assert.equal((await buy(box, 2)).length, 2)
})

test('a sale whose answer was lost is found, and not made twice', async () => {
  await using app = await temporaryServer()
  await using box = connect(`${app.server.url}?user=box-office`)
  await box.pools.add('hall', ['A1', 'A2'])
  const { book } = box.pools
  let calls = 0
  box.pools.book = async (...args) => {
    calls++
    await book.apply(box.pools, args)
    throw new NitkaError('lost', 'the connection was lost')
  }
  assert.equal((await buy(box)).length, 1)
  assert.equal((await plan(box)).size, 1)
  assert.equal(calls, 1)
})

test('the example sells the house out', async (t) => {
  const output = await runToEnd(t, 'cinema/cinema.ts')
  assert.match(output, /C( ■){10}\n30 sold, 20 turned away/)
})

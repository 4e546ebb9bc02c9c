// Tickets: once, for whom and what they were given, for half a minute.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import { realWorld } from '../world.ts'
import { Tickets } from './tickets.ts'

function open() {
  const clock = new SimulatedClock()
  return { clock, tickets: new Tickets(clock, realWorld().random) }
}

test('a ticket is good once, within 30 s', () => {
  const { clock, tickets } = open()
  const anna = { user: 'anna', expiresAt: clock.now() + 600_000, allow: ['*'] }
  const { ticket, expires } = tickets.issue(anna, undefined)
  assert.equal(expires, clock.now() + 30_000)
  assert.match(ticket, /^[\w-]{22}$/)
  assert.equal(tickets.redeem(ticket, '/ws'), anna)
  assert.throws(() => tickets.redeem(ticket, '/ws'), { code: 'unauthenticated' })
  const late = tickets.issue(anna, undefined).ticket
  clock.advance(29_999)
  const second = tickets.issue(anna, undefined).ticket
  clock.advance(1)
  assert.throws(() => tickets.redeem(late, '/ws'), { code: 'unauthenticated' })
  assert.equal(tickets.redeem(second, '/ws'), anna)
  assert.deepEqual([tickets.size, tickets.refused], [0, 2])
})

test('a ticket for one path is good on no other, and used up by the attempt', () => {
  const { tickets } = open()
  const { ticket } = tickets.issue({ user: 'anna' }, '/task')
  assert.throws(() => tickets.redeem(ticket, '/task/'), { code: 'unauthenticated' })
  assert.throws(() => tickets.redeem(ticket, '/task'), { code: 'unauthenticated' })
  assert.equal(tickets.redeem(tickets.issue({ user: 'anna' }, '/task').ticket, '/task').user, 'anna')
})

test('a ticket gives no more time than the token that it was had for', () => {
  const { clock, tickets } = open()
  const { ticket } = tickets.issue({ user: 'anna', expiresAt: clock.now() + 1_000 }, undefined)
  clock.advance(1_000)
  assert.throws(() => tickets.redeem(ticket, '/ws'), { code: 'unauthenticated' })
})

test('what nobody was given is nobody’s, and is not told apart', () => {
  const { tickets } = open()
  tickets.issue({ user: 'anna' }, undefined)
  for (const guess of ['', 'x', 'A'.repeat(22), 'x'.repeat(100_000), '__proto__', 'constructor']) {
    assert.throws(() => tickets.redeem(guess, '/ws'), /was used, is too old, or is for something else/)
  }
})

test('one user gets no more than 32 at a time, all together 10,000, and later there is room again', () => {
  const { clock, tickets } = open()
  for (let i = 0; i < 32; i++) tickets.issue({ user: 'anna' }, undefined)
  assert.throws(() => tickets.issue({ user: 'anna' }, undefined), { code: 'overloaded' })
  for (let i = 32; i < 10_000; i++) tickets.issue({ user: `u${i}` }, undefined)
  assert.throws(() => tickets.issue({ user: 'bert' }, undefined), { code: 'overloaded' })
  clock.advance(30_000)
  tickets.issue({ user: 'anna' }, undefined)
  assert.equal(tickets.size, 1)
})

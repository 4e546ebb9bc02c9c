import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import { SimulatedClock } from '../../testing/clock.ts'
import { type Credentials, ExpiredToken } from './auth.ts'
import { LoginGuard } from './login-guard.ts'

function open(failuresPerMinute = 10, hopeless = false) {
  const clock = new SimulatedClock()
  let looked = 0
  const inner = {
    required: true,
    async identify({ token }: Credentials) {
      looked++
      if (token === undefined) return undefined
      if (token === 'good') return { user: 'anna' }
      if (token === 'expired') throw new ExpiredToken()
      throw new NitkaError(token === 'down' ? 'unavailable' : 'unauthenticated', token)
    },
  }
  const guard = new LoginGuard(inner, clock, { failuresPerMinute, hopeless })
  const show = async (token: string | undefined, address = '192.0.2.1') => {
    const credentials = { query: new URLSearchParams(), authorization: undefined, protocols: [], token, address }
    return guard.identify(credentials).then(
      (who) => who?.user ?? 'nobody',
      (error) => error.code as string,
    )
  }
  return { clock, guard, show, looked: () => looked }
}

test('after ten guesses in a minute an address is told to come back, and is not looked at', async () => {
  const { clock, guard, show, looked } = open()
  for (let i = 0; i < 10; i++) assert.equal(await show(`guess ${i}`), 'unauthenticated')
  assert.equal(looked(), 10)
  for (const token of ['guess', 'good', undefined]) assert.equal(await show(token), 'overloaded')
  assert.deepEqual([looked(), guard.refused], [10, 3])
  assert.equal(await show('good', '192.0.2.2'), 'anna', 'others are not concerned')
  clock.advance(6_000)
  assert.equal(await show('good'), 'anna')
  assert.equal(await show('guess'), 'unauthenticated')
  assert.equal(await show('good'), 'overloaded')
  clock.advance(60_000)
  for (let i = 0; i < 10; i++) assert.equal(await show('guess'), 'unauthenticated')
  assert.equal(await show('guess'), 'overloaded')
})

test('where guessing is hopeless a good token is taken from whatever address, and only guesses are told to come back', async () => {
  const { clock, guard, show } = open(10, true)
  for (let i = 0; i < 10; i++) assert.equal(await show('guess'), 'unauthenticated')
  assert.deepEqual(
    [await show('guess'), await show('good'), await show(undefined), await show('expired'), await show('guess')],
    ['overloaded', 'anna', 'nobody', 'unauthenticated', 'overloaded'],
  )
  assert.equal(guard.refused, 2)
  clock.advance(6_000)
  assert.deepEqual([await show('guess'), await show('guess')], ['unauthenticated', 'overloaded'])
})

test('who shows nothing, what has expired, and what could not be checked are no guesses', async () => {
  const { show } = open()
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(
      [await show(undefined), await show('expired'), await show('down')],
      ['nobody', 'unauthenticated', 'unavailable'],
    )
  }
  assert.equal(await show('good'), 'anna')
})

test('this machine may guess, and so may everybody when there is no limit', async () => {
  const { show } = open()
  for (let i = 0; i < 20; i++) assert.equal(await show('guess', '127.0.0.1'), 'unauthenticated')
  const unlimited = open(0)
  for (let i = 0; i < 20; i++) assert.equal(await unlimited.show('guess'), 'unauthenticated')
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import postgres from 'postgres'
import { failureOf, isLocked } from './failures.ts'

/** As the driver makes them of what Postgres sends. */
function refused(code: string, message: string): unknown {
  const Made = postgres.PostgresError as unknown as new (fields: object) => Error
  return new Made({ code, message })
}

test('what is of the connection has an unknown outcome, also when its code has the form of a state of Postgres', () => {
  for (const code of ['EPIPE', 'ECONNRESET', 'CONNECTION_CLOSED', 'CONNECT_TIMEOUT']) {
    const { error, trouble, refused } = failureOf(Object.assign(new Error(`write ${code}`), { code }))
    assert.deepEqual([error.code, trouble, refused], ['unavailable', `write ${code}`, false])
  }
})

test('a state of Postgres that passes has an unknown outcome, and every other one is a fault', () => {
  for (const code of ['08006', '57P01', '57P03', '53300', '40P01']) {
    assert.equal(failureOf(refused(code, 'later')).error.code, 'unavailable', code)
  }
  for (const code of ['42601', 'XX000', '22P02']) {
    const { error, trouble } = failureOf(refused(code, 'wrong'))
    assert.deepEqual([error.code, trouble], ['internal', undefined], code)
  }
})

test('what somebody else has locked was not done, and the database answers', () => {
  const { error, trouble, refused: wanted } = failureOf(refused('55P03', 'lock timeout'))
  assert.deepEqual([error.code, trouble, wanted, isLocked(error)], ['unavailable', undefined, true, true])
  assert.match(error.message, /nothing was done/)
})

test('what a function of the schema refuses is refused to the caller, and is no failure', () => {
  const { error, trouble, refused: wanted } = failureOf(refused('NT409', 'another payload'))
  assert.deepEqual(
    [error.code, error.field, error.message, trouble, wanted],
    ['conflict', 'key', 'another payload', undefined, true],
  )
})

test('an error of ours stays what it is, and says why the database does not answer', () => {
  const late = new NitkaError('unavailable', 'too late')
  assert.deepEqual(failureOf(late), { error: late, trouble: 'too late', refused: false })
})

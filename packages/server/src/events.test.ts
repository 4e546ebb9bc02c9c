import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../testing/clock.ts'
import { Events, type StoredMessage } from './events.ts'

function open() {
  const clock = new SimulatedClock()
  const errors: unknown[] = []
  return { clock, errors, events: new Events(clock, (error, name) => errors.push([name, (error as Error).message])) }
}

function stored(id: string): StoredMessage {
  return { kind: 'system', id, offset: Number(id), time: 0, to: 'ann', message: id, data: undefined }
}

const letter = { task: 't', queue: 'q', attempts: 1, how: 'failed', reason: undefined } as const

test('messages of a turn are told in the order of their ids, between whatever else happened', () => {
  const { clock, events } = open()
  const seen: string[] = []
  events.on('message', ({ id }) => seen.push(id))
  events.on('dead-letter', () => seen.push('letter'))
  for (const id of ['2', '1']) events.tell('message', () => stored(id))
  events.tell('dead-letter', () => letter)
  events.tell('message', () => stored('3'))
  assert.deepEqual(seen, [], 'not within the turn')
  clock.turn()
  assert.deepEqual(seen, ['1', '2', 'letter', '3'])
  events.tell('message', () => stored('0'))
  clock.turn()
  assert.equal(seen.at(-1), '0')
})

test('while nobody listens, nothing is made and nothing waits', () => {
  const { clock, events } = open()
  const make = (): StoredMessage => assert.fail('made for nobody')
  events.tell('message', make)
  const stop = events.on('message', () => undefined)
  stop()
  stop()
  events.tell('message', make)
  assert.equal(clock.waiting, 0)
})

test('listeners hear in the order in which they came; one that is taken off in the same turn hears nothing', () => {
  const { clock, events } = open()
  const seen: string[] = []
  const listener = (who: string) => () => void seen.push(who)
  events.on('dead-letter', listener('a'))
  const stop = events.on('dead-letter', listener('b'))
  events.on('dead-letter', listener('c'))
  events.tell('dead-letter', () => letter)
  stop()
  clock.turn()
  assert.deepEqual(seen, ['a', 'c'])
})

test('what a listener throws or rejects with is told, and the next listener and the next event come all the same', async () => {
  const { clock, events, errors } = open()
  const seen: string[] = []
  events.on('message', () => {
    throw new Error('thrown')
  })
  events.on('message', async ({ id }) => {
    seen.push(id)
    if (id === '1') throw new Error('rejected')
  })
  // What happens because of an event is told after it.
  events.on('message', ({ id }) => {
    if (id === '1') events.tell('message', () => stored('3'))
  })
  for (const id of ['1', '2']) events.tell('message', () => stored(id))
  await clock.pass(0)
  assert.deepEqual(seen, ['1', '2', '3'])
  assert.deepEqual(errors.filter((error) => String(error).includes('rejected')).length, 1)
  assert.equal(errors.length, 4)
})

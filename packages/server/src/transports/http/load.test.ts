import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { SimulatedClock } from '../../../testing/clock.ts'
import { Load } from './load.ts'

const mebibyte = 2 ** 20

const chunked = { 'transfer-encoding': 'chunked' }

function open() {
  const clock = new SimulatedClock()
  const load = new Load(clock, mebibyte)
  const socketOf = () => ({ destroyed: false, destroy: () => undefined })
  const begin = (socket: object, headers: Record<string, string>, method = 'POST') => {
    const response = new EventEmitter()
    const request = { method, socket, headers } as unknown as IncomingMessage
    const seen = { state: 'in' }
    const room = load.enter(request, response as unknown as ServerResponse)
    if (room !== undefined) seen.state = 'waits'
    room?.then(
      () => (seen.state = 'in'),
      (error) => (seen.state = error.code),
    )
    return { request, seen, end: () => void response.emit('close') }
  }
  const ask = (socket: object, headers: Record<string, string>) => begin(socket, headers).end
  const large = (socket: object) => ask(socket, { 'content-length': `${mebibyte}` })
  return { clock, load, socketOf, begin, ask, large }
}

test('one connection has 8 MiB of bodies under way, and what is answered makes room', () => {
  const { load, socketOf, ask, large } = open()
  const socket = socketOf()
  const ends = Array.from({ length: 8 }, () => large(socket))
  assert.throws(() => large(socket), { code: 'overloaded' })
  assert.throws(() => ask(socket, chunked), { code: 'overloaded' })
  ask(socket, {})()
  large(socketOf())()
  assert.equal(load.refused, 2)
  ends[0]?.()
  large(socket)
  assert.equal(load.bytes, 8 * mebibyte)
})

test('all together have 64 MiB; what comes then waits for room in its turn, and requests without a body do not', async () => {
  const { load, socketOf, begin, ask, large } = open()
  const ends = Array.from({ length: 64 }, () => large(socketOf()))
  const [one, two] = [begin(socketOf(), chunked), begin(socketOf(), { 'content-length': '1' })]
  ask(socketOf(), {})()
  begin(socketOf(), { 'content-length': `${mebibyte}` }, 'GET').end()
  assert.deepEqual([one.seen.state, two.seen.state], ['waits', 'waits'])
  ends[0]?.()
  await settled()
  assert.deepEqual([one.seen.state, two.seen.state], ['in', 'waits'])
  for (const end of ends.slice(1)) end()
  await settled()
  assert.equal(two.seen.state, 'in')
  assert.deepEqual([load.bytes, load.refused], [mebibyte + 1, 0])
})

test('who waits for room for too long, or comes when too many wait, is told to come back', async () => {
  const { clock, load, socketOf, begin, large } = open()
  const ends = Array.from({ length: 64 }, () => large(socketOf()))
  const waiting = Array.from({ length: 1_000 }, () => begin(socketOf(), chunked))
  assert.throws(() => begin(socketOf(), chunked), { code: 'overloaded' })
  waiting[0]?.end()
  clock.advance(4_999)
  await settled()
  assert.ok(waiting.slice(1).every(({ seen }) => seen.state === 'waits'))
  clock.advance(1)
  await settled()
  assert.ok(waiting.every(({ seen }) => seen.state === 'overloaded'))
  for (const end of ends) end()
  for (const { end } of waiting) end()
  assert.equal(load.bytes, 0)
})

test('a body counts as what it is once it is here, and as nothing once it is answered', async () => {
  const { load, socketOf, begin } = open()
  const { request, end } = begin(socketOf(), chunked)
  assert.equal(load.bytes, mebibyte)
  const body = new PassThrough()
  load.measure(request, body)
  body.write('x'.repeat(100))
  body.end('x'.repeat(23))
  await settled()
  assert.equal(load.bytes, 123)
  load.answered(request)
  assert.equal(load.bytes, 0)
  end()
  assert.equal(load.bytes, 0)
})

test('a length that is none, or larger than a body may be, counts for no more than a body', () => {
  const { load, socketOf, ask } = open()
  for (const length of ['x', '-1', '1e400', '99999999999']) ask(socketOf(), { 'content-length': length })
  assert.equal(load.bytes, mebibyte)
})

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

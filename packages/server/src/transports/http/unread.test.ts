import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { SimulatedClock } from '../../../testing/clock.ts'
import { cutOffUnread } from './unread.ts'

/** A socket that owes an answer, as far as the look at it goes. */
function owing(clock: SimulatedClock, stallMs: number) {
  const hooks = new Map<string, (...given: any[]) => void>()
  const http = { addHook: (name: string, hook: () => void) => hooks.set(name, hook) } as unknown as FastifyInstance
  const handle = { bytesWritten: 0, writeQueueSize: 0 }
  const socket = { _handle: handle, writableLength: 1_000, destroyed: false, destroy: () => (socket.destroyed = true) }
  cutOffUnread(http, clock, stallMs)
  const response = { closed: false, once: () => undefined }
  hooks.get('onSend')?.({ raw: { socket } }, { raw: response }, '', () => undefined)
  return { socket, take: () => (handle.bytesWritten += 100) }
}

test('who takes nothing of an answer is cut off, who takes a little is not', () => {
  const clock = new SimulatedClock()
  const [deaf, slow] = [owing(clock, 1_000), owing(clock, 1_000)]
  for (let i = 0; i < 3; i++) {
    clock.advance(999)
    slow.take()
    clock.advance(1)
  }
  assert.deepEqual([deaf.socket.destroyed, slow.socket.destroyed], [true, false])
})

test('who took it while this process stood still is not cut off', () => {
  const clock = new SimulatedClock()
  const { socket, take } = owing(clock, 1_000)
  clock.advance(1_000)
  clock.stall(60_000)
  // As a socket does: after the timers of a turn it says what was taken.
  clock.after(0, take)
  clock.turn()
  assert.equal(socket.destroyed, false)
  clock.advance(2_000)
  assert.equal(socket.destroyed, true)
})

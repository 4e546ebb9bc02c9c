import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Request } from './request.ts'
import { TypeQueue } from './type-queue.ts'

function ask(queue: TypeQueue, payload: number, answered: unknown[]): Request {
  const tell = { answer: (outcome: unknown) => void answered.push(outcome) }
  const request = new Request({ type: 't', payload, user: '' }, 0, tell, queue)
  queue.push(request)
  return request
}

test('what was dropped behind a request that runs for long does not pile up, and the others keep their order', async () => {
  const queue = new TypeQueue('t', () => 0, undefined)
  const begun: unknown[] = []
  const ends: ((result: unknown) => void)[] = []
  const executor = (payload: unknown): Promise<unknown> => {
    begun.push(payload)
    return new Promise((resolve) => ends.push(resolve))
  }
  queue.registrations.push({ executor, concurrency: 1, timeoutMs: 0 })
  const answered: unknown[] = []
  ask(queue, 0, answered)
  for (let i = 1; i <= 10_000; i++) {
    const request = ask(queue, i, answered)
    if (i % 5_000 !== 0) request.drop()
  }
  assert.deepEqual([queue.waiting, queue.running.length, [...queue.inLine()].length], [2, 1, 2])
  for (let i = 0; i < 3; i++) {
    ends.shift()?.(i)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(begun, [0, 5_000, 10_000])
  assert.deepEqual([answered.length, queue.waiting, queue.running.length], [3, 0, 0])
})

test('what ends after the right to the type was lost is no success, even before that was told', async () => {
  const right: { fence: number | undefined; begins: boolean } = { fence: 7, begins: true }
  const queue = new TypeQueue('t', () => 0, undefined, right)
  const ends: (() => void)[] = []
  const fences: number[] = []
  const executor = (_payload: unknown, { fence }: { fence: number }): Promise<unknown> => {
    fences.push(fence)
    return new Promise((resolve) => ends.push(() => resolve('done')))
  }
  queue.registrations.push({ executor, concurrency: 1, timeoutMs: 0 })
  const answered: { error?: { code: string }; result?: unknown }[] = []
  for (let i = 0; i < 3; i++) ask(queue, i, answered)
  right.fence = undefined
  ends.shift()?.()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([answered.map(({ error }) => error?.code), queue.waiting], [['unavailable'], 2])
  right.fence = 8
  queue.run()
  right.fence = 9
  ends.shift()?.()
  await new Promise((resolve) => setImmediate(resolve))
  right.begins = false
  ends.shift()?.()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(fences, [7, 8, 9])
  assert.deepEqual(
    answered.map(({ error, result }) => error?.code ?? result),
    ['unavailable', 'unavailable', 'done'],
  )
})

test('what ends while another one is ended ends once', () => {
  const told: unknown[] = []
  const queue = new TypeQueue(
    't',
    () => 0,
    (request) => told.push(request.payload),
  )
  // Whoever hears of the first end ends all of them.
  const executor = (_payload: unknown, { signal }: { signal: AbortSignal }): Promise<unknown> => {
    signal.addEventListener('abort', () => queue.abandon())
    return new Promise(() => undefined)
  }
  queue.registrations.push({ executor, concurrency: 3, timeoutMs: 0 })
  const answered: unknown[] = []
  for (let i = 0; i < 3; i++) ask(queue, i, answered)
  queue.abandon()
  assert.deepEqual([answered.length, told.length, queue.counters.failed, queue.running.length], [3, 3, 3, 0])
})

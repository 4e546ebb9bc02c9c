// What the lanes do with calls, over a store that the test is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../../testing/clock.ts'
import { locked } from './failures.ts'
import { Lanes } from './lanes.ts'

interface Call {
  readonly name: string
  readonly locks: readonly string[]
  readonly weight?: number
}

type Store = (names: readonly string[]) => Promise<void>

/** A store that says what is asked of it; locked is whatever the test says. */
function open(store: Store) {
  const clock = new SimulatedClock()
  const blocked = new Set<string>()
  let looks = 0
  const lanes = new Lanes<Call, string>({
    ...{ clock, lockedMs: 1_000, locksOf: ({ locks }) => locks, weightOf: ({ weight = 1 }) => weight },
    look: async (locks) => {
      looks++
      return new Set([...locks].filter((lock) => blocked.has(lock)))
    },
    store: async (calls) => {
      await store(calls.map(({ name }) => name))
      if (calls.some(({ locks }) => locks.some((lock) => blocked.has(lock)))) throw failure()
      return calls.map(({ name }) => name)
    },
  })
  return { clock, blocked, lanes, looks: () => looks }
}

function failure(): Error {
  return locked(Object.assign(new Error('locked'), { code: '55P03' }))
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

test('what is refused while the rest is still being stored is told to whoever asked, and to nobody else', async () => {
  let slow: (() => void) | undefined
  const { clock, blocked, lanes } = open(async (names) => {
    if (names.length === 1 && names[0] === 'free') await new Promise<void>((resolve) => (slow = resolve))
  })
  const unheard: unknown[] = []
  const hear = (reason: unknown): void => void unheard.push(reason)
  process.on('unhandledRejection', hear)
  try {
    blocked.add('tea')
    const stored = lanes.store([
      { name: 'held', locks: ['tea'] },
      { name: 'free', locks: ['rum'] },
    ])
    await turns()
    for (let i = 0; i < 12; i++) {
      clock.advance(100)
      await turns()
    }
    await new Promise((resolve) => setImmediate(resolve))
    slow?.()
    const [held, free] = await stored
    assert.equal(free, 'free')
    await assert.rejects(held as Promise<string>, { code: 'unavailable', message: /nothing was done/ })
    assert.deepEqual(unheard, [])
  } finally {
    process.off('unhandledRejection', hear)
  }
})

test('what waits for something locked is bounded by its weight', async () => {
  const { clock, blocked, lanes } = open(async () => undefined)
  blocked.add('tea')
  const heavy = { locks: ['tea'], weight: 10 * 1024 * 1024 }
  const [first, second] = await lanes.store([
    { name: 'a', ...heavy },
    { name: 'b', ...heavy },
  ])
  assert.ok(first instanceof Promise)
  assert.equal((second as { code?: string }).code, 'overloaded')
  blocked.clear()
  clock.advance(100)
  assert.equal(await first, 'a')
  const [third] = await lanes.store([{ name: 'c', ...heavy }])
  assert.equal(third, 'c')
})

test('who waits for the end looks as often as time says, and no more', async () => {
  const { clock, blocked, lanes, looks } = open(async () => undefined)
  blocked.add('tea')
  const [held] = await lanes.store([{ name: 'a', locks: ['tea'] }])
  const before = looks()
  let over = false
  const idle = lanes.idle().then(() => {
    over = true
  })
  await turns()
  assert.ok(looks() - before <= 1)
  blocked.clear()
  for (let i = 0; i < 3; i++) {
    clock.advance(100)
    await turns()
  }
  assert.equal(over, true)
  assert.equal(await held, 'a')
  await idle
})

test('a lock that no call can be told by is not waited for without end', async () => {
  let tries = 0
  const { lanes } = open(async () => {
    tries++
    throw failure()
  })
  const [result] = await lanes.store([{ name: 'a', locks: [] }])
  assert.equal((result as { code?: string }).code, 'unavailable')
  assert.ok(tries < 10)
})

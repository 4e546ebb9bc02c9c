import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../../testing/clock.ts'
import type { Recipient } from '../fanout/recipient.ts'
import { type DropRule, Pool, type PoolLimits } from './pool.ts'

const defaults: PoolLimits = { messagesMax: 0, bytesMax: 0, retryMs: 100, attemptsMax: 50 }

/** A client whose socket takes what the test lets it take. */
class Slow implements Recipient {
  readonly id = 's1'
  readonly user = 'anna'
  readonly hasRoom = true
  flowing = false
  taken = 0
  readonly got: string[] = []
  readonly #listeners = new Set<() => void>()

  deliver(bytes: Uint8Array): void {
    this.got.push(Buffer.from(bytes).toString())
  }

  onDrain(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  drain(): void {
    this.flowing = true
    for (const listener of this.#listeners) listener()
  }
}

function open(limits: Partial<PoolLimits> = {}) {
  const clock = new SimulatedClock()
  const slow = new Slow()
  const drops: [DropRule, number][] = []
  const delivered = { count: 0 }
  const pool = new Pool(
    slow,
    clock,
    { ...defaults, ...limits },
    {
      delivered: (count) => {
        delivered.count += count
      },
      dropped: (rule, count) => void drops.push([rule, count]),
    },
  )
  const add = (...texts: string[]) => {
    for (const text of texts) pool.add(Buffer.from(text))
  }
  return { clock, slow, drops, delivered, pool, add }
}

test('what waited is handed over in order, once, as soon as the socket takes again', () => {
  const { clock, slow, drops, delivered, pool, add } = open()
  add('a', 'b', 'c')
  assert.deepEqual([pool.length, pool.bytes, slow.got], [3, 3, []])
  slow.drain()
  assert.deepEqual([pool.length, pool.bytes, slow.got], [0, 0, ['abc']])
  clock.advance(60_000)
  assert.deepEqual([slow.got, drops, delivered.count], [['abc'], [], 3])
})

test('of too many messages the newest stay', () => {
  const { slow, drops, pool, add } = open({ messagesMax: 3 })
  add('a', 'b', 'c', 'd', 'e')
  assert.deepEqual(drops, [
    ['pool-messages', 1],
    ['pool-messages', 1],
  ])
  assert.equal(pool.length, 3)
  slow.drain()
  assert.deepEqual(slow.got, ['cde'])
})

test('of too many bytes the newest stay, as many as fit', () => {
  const { slow, drops, pool, add } = open({ bytesMax: 10 })
  add('aaaa', 'bbbb', 'cc')
  assert.deepEqual([drops, pool.bytes], [[], 10])
  add('ddddd')
  assert.deepEqual([drops, pool.bytes], [[['pool-bytes', 2]], 7])
  slow.drain()
  assert.deepEqual(slow.got, ['ccddddd'])
})

test('a message that is larger than the whole pool is dropped and counted, and the next one is kept', () => {
  const { slow, drops, pool, add } = open({ bytesMax: 4 })
  add('aa', 'bbbbb')
  assert.deepEqual([drops, pool.length, pool.bytes], [[['pool-bytes', 2]], 0, 0])
  add('cc')
  slow.drain()
  assert.deepEqual(slow.got, ['cc'])
})

test('a message is dropped after 50 intervals of 100 ms in which the socket took nothing, each by its own count', () => {
  const { clock, drops, pool, add } = open()
  add('a')
  clock.advance(2_000)
  add('b')
  clock.advance(2_999)
  assert.deepEqual([drops, pool.length], [[], 2])
  clock.advance(1)
  assert.deepEqual([drops, pool.length], [[['attempts', 1]], 1])
  clock.advance(1_999)
  assert.equal(pool.length, 1)
  clock.advance(1)
  assert.deepEqual(drops, [
    ['attempts', 1],
    ['attempts', 1],
  ])
  assert.equal(clock.waiting, 0, 'an empty pool has no timer')
})

test('an interval in which the socket took something is no failed attempt, and takes none back', () => {
  const { clock, slow, drops, add } = open({ attemptsMax: 3 })
  add('a')
  clock.advance(200)
  for (let i = 0; i < 100; i++) {
    slow.taken++
    clock.advance(100)
  }
  assert.deepEqual(drops, [])
  clock.advance(100)
  assert.deepEqual(drops, [['attempts', 1]])
})

test('a fresh message after an idle time begins with no failed attempt', () => {
  const { clock, slow, drops, pool, add } = open({ attemptsMax: 3 })
  add('a')
  clock.advance(250)
  slow.drain()
  slow.flowing = false
  clock.advance(10_000)
  add('b')
  clock.advance(299)
  assert.deepEqual([drops, pool.length], [[], 1])
  clock.advance(1)
  assert.deepEqual(drops, [['attempts', 1]])
})

test('a slow socket is given 64 KiB at a time, so that the rest can still be replaced', () => {
  const { slow, pool } = open()
  for (let i = 0; i < 10; i++) pool.add(Buffer.alloc(20 * 1024, 48 + i))
  slow.drain()
  assert.deepEqual(
    slow.got.map((text) => text.length),
    [80 * 1024],
  )
  assert.equal(pool.length, 6)
  slow.drain()
  slow.drain()
  assert.deepEqual([...new Set(slow.got.join(''))].join(''), '0123456789')
  assert.equal(pool.empty, true)
})

test('the retry finds a socket that takes again without having said so', () => {
  const { clock, slow, add } = open()
  add('a')
  slow.flowing = true
  clock.advance(100)
  assert.deepEqual(slow.got, ['a'])
  assert.equal(clock.waiting, 0)
})

test('who leaves has what waited dropped and counted, once, and leaves nothing behind', () => {
  const { clock, slow, drops, pool, add } = open()
  add('a', 'b')
  pool.close()
  pool.close()
  assert.deepEqual(drops, [['left', 2]])
  assert.deepEqual([clock.waiting, slow.listeners, pool.length, pool.bytes], [0, 0, 0, 0])
})

test('whatever happens, every message is either handed over or counted as dropped', () => {
  const { clock, slow, drops, delivered, pool } = open({ messagesMax: 7, bytesMax: 40, attemptsMax: 4 })
  let seed = 7
  const chance = (n: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % n
  }
  let sent = 0
  for (let i = 0; i < 5_000; i++) {
    for (let n = chance(4); n > 0; n--) {
      pool.add(Buffer.from(`${sent++}`.padEnd(chance(12), '.').concat(' ')))
    }
    slow.flowing = chance(6) === 0
    if (slow.flowing) slow.drain()
    if (chance(3) === 0) slow.taken++
    slow.flowing = false
    clock.advance(chance(200))
    assert.ok(pool.length <= 7 && pool.bytes <= 40)
  }
  const waiting = pool.length
  pool.close()
  const dropped = drops.reduce((sum, [, count]) => sum + count, 0)
  assert.equal(delivered.count + dropped, sent)
  assert.deepEqual(drops.at(-1), waiting === 0 ? drops.at(-1) : ['left', waiting])
  const numbers = slow.got.join('').split(/[. ]+/).filter(Boolean).map(Number)
  assert.equal(numbers.length, delivered.count)
  assert.ok(
    numbers.every((number, i) => i === 0 || number > numbers[i - 1]!),
    'in order, no repeats',
  )
  for (const rule of ['pool-messages', 'pool-bytes', 'attempts'])
    assert.ok(
      drops.some(([by]) => by === rule),
      rule,
    )
})

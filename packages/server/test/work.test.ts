// The demonstration worker's rules, with a clock of our own, and how it reads a stream.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import fc from 'fast-check'
import { EventStreamReader, type StreamEvent } from '../src/cli/event-stream.ts'
import { drawBatch, Worker } from '../src/cli/worker.ts'
import { SimulatedClock } from '../testing/clock.ts'

const random = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0 }

interface Bench {
  readonly clock: SimulatedClock
  readonly worker: Worker
  readonly lines: string[]
  /** What was posted, also what did not arrive. */
  readonly reports: string[][]
  /** Rejections of the next reports, in order; none: they arrive. */
  readonly refusals: unknown[]
  crashes: number
  task(id: string, fields?: Record<string, unknown>): void
  event(type: string, data: unknown): void
}

function bench(batch: number): Bench {
  const clock = new SimulatedClock()
  const reports: string[][] = []
  const refusals: unknown[] = []
  const lines: string[] = []
  const worker = new Worker(
    batch,
    { clock, random },
    {
      log: (line) => lines.push(line),
      crash: () => {
        made.crashes++
      },
      report: async (ids) => {
        reports.push([...ids])
        if (refusals.length > 0) throw refusals.shift()
      },
      passing: (error) => error instanceof NitkaError && error.code === 'unavailable',
    },
  )
  const event = (type: string, data: unknown): void => worker.receive({ type, data: JSON.stringify(data) })
  const task = (id: string, fields: Record<string, unknown> = {}): void =>
    event('message', { Id: id, Period: 100, Attempt: 1, ...fields })
  const made: Bench = { clock, worker, lines, reports, refusals, crashes: 0, task, event }
  return made
}

test('tasks of a batch run at once and are reported together when the last one has ended', async () => {
  const { clock, task, reports, lines } = bench(3)
  task('a', { Period: 300 })
  task('b', { Period: 700, Attempt: 2 })
  task('c', { Period: 500 })
  await clock.pass(699)
  assert.deepEqual(reports, [])
  await clock.pass(1)
  assert.deepEqual(reports, [['a', 'b', 'c']])
  assert.deepEqual(lines, [
    'task a attempt 1 started, Period 300',
    'task b attempt 2 started, Period 700',
    'task c attempt 1 started, Period 500',
    'task a attempt 1 ended',
    'task c attempt 1 ended',
    'task b attempt 2 ended',
    'reported 3: a b c',
  ])
})

test('a task over 800 fails alone and is reported with the others; one of exactly 800 does not', async () => {
  const { clock, task, reports, lines } = bench(3)
  task('fails', { Period: 801 })
  task('works', { Period: 800 })
  task('last', { Period: 900 })
  await clock.pass(900)
  assert.deepEqual(reports, [['fails', 'works', 'last']])
  assert.ok(lines.includes('task fails attempt 1 failed: Period 801 is over 800'))
  assert.ok(lines.includes('task works attempt 1 ended'))
})

test('a task over 900 ends the worker, and nothing of its batch is reported', async () => {
  const made = bench(3)
  made.task('a', { Period: 100 })
  made.task('fatal', { Period: 901 })
  await made.clock.pass(901)
  assert.equal(made.crashes, 1)
  await made.clock.pass(10_000)
  assert.deepEqual(made.reports, [])
  assert.ok(made.lines.includes('Period 901 is over 900: the whole worker ends'))
})

test('a Period of days ends the worker after a second', async () => {
  const made = bench(1)
  made.task('a', { Period: 1e12 })
  await made.clock.pass(1_000)
  assert.equal(made.crashes, 1)
})

test('a task beyond the batch size is refused, logged and not reported', async () => {
  const { clock, task, reports, lines } = bench(2)
  for (const id of ['a', 'b', 'c']) task(id)
  assert.equal(lines.at(-1), 'task c attempt 1 refused: 2 of 2 are unsettled')
  await clock.pass(100)
  assert.deepEqual(reports, [['a', 'b']])
})

test('one that has ended but is not reported counts, one that is being reported does not', async () => {
  const { clock, task, reports, lines } = bench(2)
  task('a', { Period: 10 })
  task('b', { Period: 500 })
  await clock.pass(20)
  task('c')
  assert.equal(lines.at(-1), 'task c attempt 1 refused: 2 of 2 are unsettled')
  clock.advance(480) // no answer to the report yet
  await clock.pass(0)
  task('d')
  task('e')
  await clock.pass(100)
  assert.deepEqual(reports, [
    ['a', 'b'],
    ['d', 'e'],
  ])
})

test('a lost lease is logged and makes room, and its task is reported when it ends', async () => {
  const { clock, task, event, reports, lines } = bench(1)
  task('a', { Period: 700 })
  await clock.pass(300)
  event('lease-lost', { Id: 'a', Attempt: 1, Token: '1.a', Because: 'expired' })
  assert.equal(lines.at(-1), 'task a attempt 1 lease lost: expired')
  task('b', { Period: 100 })
  await clock.pass(400)
  assert.deepEqual(reports, [['a', 'b']])
})

test('a Period that is missing or no duration is 0', async () => {
  const { clock, task, reports } = bench(4)
  for (const [id, Period] of Object.entries({ a: undefined, b: 'soon', c: -1, d: null })) task(id, { Period })
  await clock.pass(0)
  assert.deepEqual(reports, [['a', 'b', 'c', 'd']])
})

test('what is no task is logged, with no control characters, and changes nothing', async () => {
  const { clock, worker, event, lines, reports, task } = bench(1)
  worker.receive({ type: 'message', data: '{\u001b[31m' })
  event('message', [1])
  event('message', { Id: '' })
  event('message', { Id: 7 })
  event('news', { Id: 'x' })
  assert.equal(lines.length, 4)
  assert.equal(lines[0], 'an event that is no task: { [31m')
  task('a\u0007b')
  await clock.pass(100)
  assert.deepEqual(reports, [['a\u0007b']])
  assert.ok(lines.includes('task a b attempt 1 ended'))
})

test('a report is repeated while the server is away, and given up after a bounded time', async () => {
  const { clock, task, reports, refusals, lines } = bench(1)
  refusals.push(new NitkaError('unavailable', 'away'), new NitkaError('unavailable', 'away'))
  task('a', { Period: 0 })
  await clock.pass(1_000)
  assert.deepEqual(reports, [['a'], ['a'], ['a']])
  assert.equal(lines.at(-1), 'reported 1: a')
  refusals.push(...Array.from({ length: 1_000 }, () => new NitkaError('unavailable', 'away')))
  task('b', { Period: 0 })
  await clock.pass(10 * 60_000)
  assert.equal(lines.at(-1), 'not reported, and given up: away')
  assert.equal(clock.waiting, 0)
})

test('a refusal that a repeat cannot change is not repeated', async () => {
  const { clock, task, reports, refusals, lines } = bench(1)
  refusals.push(new NitkaError('invalid', 'no'))
  task('a', { Period: 0 })
  await clock.pass(60_000)
  assert.deepEqual(reports, [['a']])
  assert.equal(lines.at(-1), 'not reported, and given up: no')
})

test('a worker that is stopped takes nothing more, finishes, closes its stream, reports, and is done', async () => {
  const { clock, worker, task, reports, lines } = bench(5)
  const order: string[] = []
  task('a', { Period: 200 })
  task('b', { Period: 300 })
  worker.stop(() => order.push(`closed before ${reports.length} reports`)).then(() => order.push('done'))
  task('late')
  assert.equal(lines.at(-1), 'task late attempt 1 refused: this worker is stopping')
  await clock.pass(299)
  assert.deepEqual([order, reports], [[], []])
  await clock.pass(1)
  assert.deepEqual(order, ['closed before 0 reports', 'done'])
  assert.deepEqual(reports, [['a', 'b']])
})

test('an idle worker that is stopped is done at once, one with a report under way when that has arrived', async () => {
  const idle = bench(1)
  await idle.worker.stop(() => {})
  const { clock, worker, task, refusals, reports } = bench(1)
  refusals.push(new NitkaError('unavailable', 'away'))
  task('a', { Period: 0 })
  await clock.pass(0)
  let done = false
  worker.stop(() => {}).then(() => (done = true))
  await clock.pass(0)
  assert.deepEqual([done, reports.length], [false, 1])
  await clock.pass(1_000)
  assert.deepEqual([done, reports.length], [true, 2])
})

test('the batch size that is drawn is one of 2 to 10', () => {
  const drawn = Array.from({ length: 900 }, (_, i) => drawBatch(i / 900))
  assert.deepEqual([...new Set(drawn)], [2, 3, 4, 5, 6, 7, 8, 9, 10])
})

function eventsOf(pieces: readonly string[]): { events: StreamEvent[]; reader: EventStreamReader } {
  const events: StreamEvent[] = []
  const reader = new EventStreamReader((event) => events.push(event))
  for (const piece of pieces) reader.push(piece)
  return { events, reader }
}

test('a stream gives the same events wherever it is cut and however its lines end', () => {
  const lines = [
    '\uFEFFretry: 1500',
    ': a comment',
    'data: one',
    'id: 1',
    '',
    ':',
    '',
    'event: lease-lost',
    'data',
    'data:  two spaces',
    'data:no space: and a colon 🦀',
    'id',
    '',
    'event: without data',
    '',
    'retry: never',
    'unknown: x',
    'data: three',
    'id: 3\0',
    '',
    'data: cut off',
  ]
  const expected = [
    { type: 'message', data: 'one' },
    { type: 'lease-lost', data: '\n two spaces\nno space: and a colon 🦀' },
    { type: 'message', data: 'three' },
  ]
  const cuts = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 40 })
  fc.assert(
    fc.property(fc.constantFrom('\n', '\r\n', '\r'), cuts, (end, at) => {
      const text = lines.join(end)
      const places = [0, ...at.map((one) => one % (text.length + 1)).sort((a, b) => a - b), text.length]
      const pieces = places.slice(1).map((place, i) => text.slice(places[i], place))
      const { events, reader } = eventsOf(pieces)
      assert.deepEqual(events, expected)
      assert.deepEqual([reader.retryMs, reader.lastEventId], [1500, ''])
    }),
    { numRuns: 500 },
  )
})

test('after a reconnect half an event is forgotten, and the id of the last whole one is kept', () => {
  const { events, reader } = eventsOf(['id: 1\ndata: a\n\nid: 2\ndata: b'])
  reader.restart()
  reader.push('\uFEFFdata: c\n\n')
  assert.deepEqual(events, [
    { type: 'message', data: 'a' },
    { type: 'message', data: 'c' },
  ])
  assert.equal(reader.lastEventId, '1')
})

test('an event without end is refused, and comments for years are not', () => {
  const { reader } = eventsOf([])
  const piece = 'x'.repeat(2 ** 20)
  for (let i = 0; i < 40; i++) reader.push(`: ${piece}\n`)
  assert.throws(
    () => {
      for (let i = 0; i < 40; i++) reader.push(piece)
    },
    { code: 'too-large' },
  )
  const { reader: lines } = eventsOf([])
  assert.throws(
    () => {
      for (let i = 0; i < 40; i++) lines.push(`data: ${piece}\n`)
    },
    { code: 'too-large' },
  )
})

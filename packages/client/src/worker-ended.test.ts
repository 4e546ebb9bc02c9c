import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { start, watched } from '../testing/client.ts'
import { type FakeWire, Refusal } from '../testing/fake-wire.ts'
import { settled } from '../testing/world.ts'

const task = (id: string) => ({ id, payload: {}, attempt: 1, token: '1.1', deadline: '', lease: 10_000 })
const batch = (wire: FakeWire, ...ids: string[]) => wire.notify('tasks.batch', { queue: 'q', tasks: ids.map(task) })

async function live(t: TestContext) {
  const started = start(t, { pingMs: 0 })
  for (const method of ['tasks.work', 'tasks.stop', 'tasks.extend', 'tasks.report'])
    started.server.on(method, () => ({}))
  return { ...started, wire: await started.live() }
}

test('stop takes no more, and resolves when what is at work has ended and is reported', async (t) => {
  const { nitka, wire, server } = await live(t)
  let end: () => void = () => undefined
  const worker = nitka.tasks.work('q', {}, () => new Promise<void>((resolve) => (end = resolve)))
  const told: unknown[] = []
  worker.on('stopped', (event) => told.push(event))
  batch(wire, 'a')
  server.answerers.delete('tasks.report')
  const stopped = watched(worker.stop())
  const again = watched(worker.stop())
  await settled()
  assert.equal(wire.calls('tasks.stop').length, 1)
  assert.deepEqual(told, [{}])
  end()
  await settled()
  assert.equal(stopped.done, false)
  wire.answer('tasks.report')
  await settled()
  assert.deepEqual([stopped.done, again.done], [true, true])
  assert.equal(wire.calls('tasks.work').length, 1)
})

test('one client works on a queue once at a time', async (t) => {
  const { nitka } = await live(t)
  const worker = nitka.tasks.work('q', {}, () => undefined)
  assert.throws(() => nitka.tasks.work('q', {}, () => undefined), { code: 'conflict' })
  nitka.tasks.work('other', {}, () => undefined)
  await worker.stop()
  nitka.tasks.work('q', {}, () => undefined)
  nitka.close()
  assert.throws(() => nitka.tasks.work('third', {}, () => undefined), { code: 'closed' })
})

test('a signal stops the worker, and one that has fired before lets nothing be taken', async (t) => {
  const { nitka, wire } = await live(t)
  const stop = new AbortController()
  const worker = nitka.tasks.work('q', { signal: stop.signal }, () => undefined)
  const told: unknown[] = []
  worker.on('stopped', () => told.push('stopped'))
  await settled()
  stop.abort()
  await settled()
  assert.deepEqual(wire.methods.slice(1), ['tasks.work', 'tasks.stop'])
  const late = nitka.tasks.work('q', { signal: stop.signal }, () => undefined)
  late.on('stopped', () => told.push('late'))
  await settled()
  assert.deepEqual(told, ['stopped', 'late'])
  const after = wire.methods.slice(3)
  assert.equal(after.includes('tasks.work'), after.includes('tasks.stop'))
  nitka.tasks.work('q', {}, () => undefined)
})

test('a queue that is refused stops the worker, and one that is refused for now is asked for again', async (t) => {
  const { nitka, server, pass, wire } = await live(t)
  let code: 'overloaded' | 'forbidden' = 'overloaded'
  server.on('tasks.work', () => {
    throw new Refusal(code)
  })
  const worker = nitka.tasks.work('q', {}, () => undefined)
  const told: unknown[] = []
  worker.on('stopped', ({ error }) => told.push(error?.code))
  await pass(999)
  assert.equal(wire.calls('tasks.work').length, 1)
  code = 'forbidden'
  await pass(1)
  assert.deepEqual(told, ['forbidden'])
})

test('a queue that is to be asked for again is asked for once on the next connection', async (t) => {
  const { nitka, server, pass, wire, world, live: greet } = await live(t)
  server.on('tasks.work', (_, on) => {
    if (on === wire) throw new Refusal('overloaded')
    return {}
  })
  nitka.tasks.work('q', {}, () => undefined)
  await settled()
  world.usual = 0
  wire.end()
  await pass(0)
  const next = await greet()
  await pass(5_000)
  assert.equal(next.calls('tasks.work').length, 1)
})

test('closing the client while tasks are at work fires their signals, and breaks nothing', async (t) => {
  const { nitka, wire, world, server } = await live(t)
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  const signals: AbortSignal[] = []
  const ends: (() => void)[] = []
  const worker = nitka.tasks.work('q', {}, (_, { signal }) => {
    signals.push(signal)
    return new Promise<void>((resolve) => ends.push(resolve))
  })
  server.answerers.delete('tasks.report')
  batch(wire, 'a', 'b', 'c')
  ends[0]?.()
  await settled()
  const stopped = watched(worker.stop())
  nitka.close()
  assert.equal(signals[1]?.aborted, true)
  assert.equal(world.clock.waiting, 0)
  ends[1]?.()
  ends[2]?.()
  await settled()
  await settled()
  assert.equal(stopped.done, true)
  assert.deepEqual(unhandled, [])
})

test('a report that is refused is told to onError, and the next one goes', async (t) => {
  const { nitka, wire, server, errors } = await live(t)
  server.on('tasks.report', () => {
    throw new Refusal('forbidden')
  })
  const worker = nitka.tasks.work('q', {}, () => undefined)
  batch(wire, 'a')
  await settled()
  assert.deepEqual(
    errors.map((error: any) => error.code),
    ['forbidden'],
  )
  server.on('tasks.report', () => ({}))
  batch(wire, 'b')
  await settled()
  assert.deepEqual(wire.calls('tasks.report').at(-1)?.params, { done: [{ id: 'b', token: '1.1' }] })
  await worker.stop()
})

test('a report that is refused for now is told again', async (t) => {
  const { nitka, wire, server, pass, errors } = await live(t)
  server.on('tasks.report', () => {
    throw new Refusal('overloaded')
  })
  const worker = nitka.tasks.work('q', {}, () => undefined)
  batch(wire, 'a')
  const stopped = watched(worker.stop())
  await pass(2_500)
  assert.equal(wire.calls('tasks.report').length, 3)
  server.on('tasks.report', () => ({}))
  await pass(1_000)
  assert.equal(wire.calls('tasks.report').length, 4)
  assert.deepEqual([stopped.done, errors], [true, []])
})

test('progress carries the token of the attempt', async (t) => {
  const { nitka, wire, server } = await live(t)
  server.on('tasks.progress', () => ({}))
  nitka.tasks.work('q', {}, (task) => task.progress({ part: 0.5 }))
  batch(wire, 'a')
  await settled()
  assert.deepEqual(wire.calls('tasks.progress')[0]?.params, { id: 'a', token: '1.1', progress: { part: 0.5 } })
  assert.equal(wire.calls('tasks.report').length, 1)
})

test('tasks are added under a key, so that a repeat adds nothing', async (t) => {
  const { nitka, wire, reconnect } = await live(t)
  const added = nitka.tasks.add('q', { a: 1 }, { priority: 3 })
  const next = await reconnect()
  assert.deepEqual(next.calls('tasks.add')[0]?.params, wire.calls('tasks.add')[0]?.params)
  assert.ok(next.calls('tasks.add')[0]?.params.tasks[0].key)
  next.answer('tasks.add', { tasks: [{ id: 'x', queue: 'q', repeated: true }] })
  assert.deepEqual(await added, { id: 'x', queue: 'q', repeated: true })
})

test('who slept through a lease stops on the next connection, not when timers that slept too go off', async (t) => {
  const { nitka, wire, world, reconnect, pass } = await live(t)
  let signal: AbortSignal | undefined
  nitka.tasks.work('q', {}, (_task, context) => {
    signal = context.signal
    return new Promise(() => undefined)
  })
  batch(wire, 'a')
  world.slept = 3_600_000
  await reconnect()
  await pass(0)
  assert.equal(signal?.aborted, true)
})

test('a queue that is refused while nobody listens for the end of the worker is told to onError', async (t) => {
  const { nitka, server, errors } = await live(t)
  server.on('tasks.work', () => {
    throw new Refusal('forbidden')
  })
  nitka.tasks.work('q', {}, () => undefined)
  await settled()
  assert.deepEqual(
    errors.map((error: any) => error.code),
    ['forbidden'],
  )
})

test('a batch that was on its way when the worker stopped is worked on and reported, before stop resolves', async (t) => {
  const { nitka, wire, server } = await live(t)
  server.answerers.delete('tasks.stop')
  const done: string[] = []
  const worker = nitka.tasks.work('q', {}, ({ id }) => void done.push(id))
  const stopped = watched(worker.stop())
  batch(wire, 'a')
  await settled()
  assert.deepEqual([done, stopped.done], [['a'], false])
  wire.answer('tasks.stop')
  await settled()
  assert.deepEqual([wire.calls('tasks.report').length, stopped.done], [1, true])
  batch(wire, 'b')
  assert.deepEqual(done, ['a'])
})

test('one that works on the queue anew gets what was on its way to the one that stopped', async (t) => {
  const { nitka, wire, server } = await live(t)
  server.answerers.delete('tasks.stop')
  const done: string[] = []
  void nitka.tasks.work('q', {}, () => void done.push('first')).stop()
  nitka.tasks.work('q', {}, () => void done.push('second'))
  batch(wire, 'a')
  wire.answer('tasks.stop')
  await settled()
  batch(wire, 'b')
  await settled()
  assert.deepEqual(done, ['second', 'second'])
})

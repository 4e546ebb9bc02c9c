import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { start } from '../testing/client.ts'
import { type FakeWire, Refusal } from '../testing/fake-wire.ts'
import { settled } from '../testing/world.ts'
import type { TaskContext } from './worker.ts'

const lease = 10_000
const leased = (id: string, token = '1.1') => ({ id, payload: { id }, attempt: 1, token, deadline: '', lease })
const batch = (wire: FakeWire, ...ids: string[]) =>
  wire.notify('tasks.batch', { queue: 'q', tasks: ids.map((id) => leased(id)) })

/** A worker whose handlers end when the test says so. */
async function working(t: TestContext) {
  const started = start(t, { pingMs: 0 })
  started.server.on('tasks.work', () => ({}))
  started.server.on('tasks.stop', () => ({}))
  started.server.on('tasks.extend', () => ({}))
  started.server.on('tasks.report', () => ({ done: 1, unknown: 0 }))
  const wire = await started.live()
  const running = new Map<string, { done: () => void; fail: (error: unknown) => void; signal: AbortSignal }>()
  const handler = ({ id }: { id: string }, { signal }: TaskContext) =>
    new Promise<void>((resolve, reject) => running.set(id, { done: () => resolve(), fail: reject, signal }))
  const worker = started.nitka.tasks.work('q', { batch: 3 }, handler)
  await settled()
  const told: unknown[] = []
  for (const name of ['failed', 'lost', 'stale', 'stopped'] as const) {
    worker.on(name, (event: any) => told.push([name, event.id ?? event.error?.code, event.because]))
  }
  return { ...started, wire, worker, running, told, task: (id: string) => running.get(id)! }
}

const asked = (wire: FakeWire) => wire.calls('tasks.work').length
const reports = (wire: FakeWire) => wire.calls('tasks.report').map(({ params }) => params)

test('a task is handled, and reported when its handler returns', async (t) => {
  const { wire, worker, task } = await working(t)
  assert.deepEqual(wire.calls('tasks.work')[0]?.params, { queue: 'q', batch: 3 })
  batch(wire, 'a', 'b')
  assert.equal(worker.running, 2)
  task('b').done()
  await settled()
  assert.deepEqual(reports(wire), [{ done: [{ id: 'b', token: '1.1' }] }])
  assert.equal(worker.running, 1)
  task('a').done()
  await settled()
  assert.equal(asked(wire), 1)
})

test('what ends while a report is under way goes with the next one', async (t) => {
  const { wire, server, task } = await working(t)
  server.answerers.delete('tasks.report')
  batch(wire, 'a', 'b', 'c')
  task('a').done()
  await settled()
  task('b').done()
  task('c').fail(new Error('no ink'))
  await settled()
  assert.equal(reports(wire).length, 1)
  wire.answer('tasks.report', {})
  await settled()
  assert.deepEqual(reports(wire)[1], {
    done: [{ id: 'b', token: '1.1' }],
    failed: [{ id: 'c', token: '1.1', reason: 'no ink' }],
  })
})

test('what ends in the very moment in which a report is answered is reported, too', async (t) => {
  for (let ticks = 0; ticks < 8; ticks++) {
    const { wire, server, task } = await working(t)
    server.answerers.delete('tasks.report')
    batch(wire, 'a', 'b')
    task('a').done()
    await settled()
    wire.answer('tasks.report', {})
    for (let i = 0; i < ticks; i++) await Promise.resolve()
    task('b').done()
    await settled()
    assert.equal(reports(wire).length, 2, `after ${ticks}`)
  }
})

test('whatever a handler throws is a reason, told to the server and to the application', async (t) => {
  const { wire, task, told } = await working(t)
  const thrown = [new Error('no ink'), 'text', undefined, Object.create(null), new Error('x'.repeat(2_000))]
  for (const [i, error] of thrown.entries()) {
    batch(wire, `t${i}`)
    task(`t${i}`).fail(error)
    await settled()
  }
  const reasons = reports(wire).map(({ failed }) => failed[0].reason)
  assert.deepEqual(reasons, ['no ink', 'text', 'undefined', 'failed without a reason', 'x'.repeat(1_000)])
  assert.equal(told.length, 5)
})

test('a report that came too late is told as stale', async (t) => {
  const { wire, server, task, told } = await working(t)
  server.on('tasks.report', () => ({ done: 0, unknown: 0, outcomes: { a: 'stale', b: 'already' } }))
  batch(wire, 'a', 'b')
  task('a').done()
  task('b').done()
  await settled()
  assert.deepEqual(told, [['stale', 'a', undefined]])
})

test('a lease is renewed at 40 % of its time, as long as the work goes on', async (t) => {
  const { wire, task, pass } = await working(t)
  batch(wire, 'a')
  await pass(3_999)
  assert.equal(wire.calls('tasks.extend').length, 0)
  await pass(1)
  assert.deepEqual(wire.calls('tasks.extend')[0]?.params, { id: 'a', token: '1.1', lease })
  await pass(40_000)
  assert.equal(wire.calls('tasks.extend').length, 11)
  assert.equal(task('a').signal.aborted, false)
  task('a').done()
  await pass(40_000)
  assert.equal(wire.calls('tasks.extend').length, 11)
})

test('a lease that cannot be renewed is given up at 80 % of its time, before the server gives it to another', async (t) => {
  const { wire, task, pass, told, worker, server } = await working(t)
  server.on('tasks.extend', () => {
    throw new Refusal('unavailable')
  })
  batch(wire, 'a')
  await pass(7_999)
  assert.equal(wire.calls('tasks.extend').length, 4)
  assert.equal(task('a').signal.aborted, false)
  await pass(1)
  assert.equal(task('a').signal.aborted, true)
  assert.deepEqual(told, [['lost', 'a', 'expired']])
  assert.equal(worker.running, 0)
  task('a').fail(task('a').signal.reason)
  await settled()
  assert.deepEqual(reports(wire), [])
})

test('a lease is given up at 80 % of its time when the server says nothing, or the connection is lost', async (t) => {
  for (const how of ['silent', 'lost'] as const) {
    const { wire, task, pass, server } = await working(t)
    server.answerers.delete('tasks.extend')
    batch(wire, 'a')
    await pass(5_000)
    if (how === 'lost') wire.end()
    await pass(2_999)
    assert.equal(task('a').signal.aborted, false)
    await pass(1)
    assert.equal(task('a').signal.aborted, true)
  }
})

test('a lease that the server refuses to renew, or ends, is given up at once', async (t) => {
  const { wire, task, pass, told, server } = await working(t)
  batch(wire, 'a', 'b')
  wire.notify('tasks.lost', { id: 'a', queue: 'q', token: 'other', attempt: 1, because: 'buried' })
  assert.equal(task('a').signal.aborted, false)
  wire.notify('tasks.lost', { id: 'a', queue: 'q', token: '1.1', attempt: 1, because: 'buried' })
  assert.equal(task('a').signal.aborted, true)
  server.on('tasks.extend', () => {
    throw new Refusal('not-found')
  })
  await pass(4_000)
  assert.equal(task('b').signal.aborted, true)
  assert.deepEqual(told, [
    ['lost', 'a', 'buried'],
    ['lost', 'b', 'expired'],
  ])
})

test('after a lost connection work goes on and is reported, and no new batch is taken before it ends', async (t) => {
  const { wire, task, reconnect } = await working(t)
  batch(wire, 'a', 'b')
  const next = await reconnect()
  assert.equal(asked(next), 0)
  task('a').done()
  await settled()
  assert.equal(asked(next), 0)
  assert.deepEqual(reports(next), [{ done: [{ id: 'a', token: '1.1' }] }])
  task('b').done()
  await settled()
  assert.equal(asked(next), 1)
})

test('a lease is not given up because a renewal falls between two connections', async (t) => {
  const { wire, task, pass, server, world } = await working(t)
  batch(wire, 'a')
  await pass(3_900)
  world.usual = 0
  wire.end()
  await pass(0)
  server.wire.open()
  await pass(200)
  assert.deepEqual(server.wire.methods, ['session.hello'])
  server.wire.answer('session.hello', { session: 'z', user: 'ann', pingMs: 0 })
  await pass(20_000)
  assert.equal(task('a').signal.aborted, false)
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Config } from '../src/config.ts'
import type { ServerTools } from '../src/server.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { start } from '../testing/server.ts'
import { TaskStream } from '../testing/task-worker.ts'

/** Where no test says otherwise nothing ends because this machine is slow: leases are long, and nobody is missed. */
async function begin(t: TestContext, wishes: Partial<Config> = {}, tools: ServerTools = {}) {
  const started = await start(t, { leaseMs: 60_000, pingMs: 0, stallMs: 0, ...wishes }, tools)
  const { server, ask } = started
  return {
    ...started,
    work: async (query: string, headers: Record<string, string> = {}): Promise<TaskStream> => {
      const stream = await TaskStream.open(`${server.url}/task?${query}`, headers)
      t.after(() => stream.close())
      return stream
    },
    add: async (...tasks: object[]): Promise<string[]> => {
      const { body } = await ask('POST', '/tasks', tasks)
      return body.tasks.map(({ id }: { id: string }) => id)
    },
    report: async (body: unknown) => (await ask('POST', '/report', body)).body,
    state: async (id: string) => (await ask('GET', `/tasks/${id}`)).body,
  }
}

const period = (Period: number) => ({ payload: { Period } })

test('a worker gets its tasks as unnamed events, payload beside the id, on a stream that nothing holds back', async (t) => {
  const { work, add } = await begin(t, { commentMs: 100 })
  const stream = await work('batchsize=2', { 'accept-encoding': 'gzip, br', 'last-event-id': 'whatever' })
  const { headers } = stream
  assert.equal(stream.status, 200)
  assert.match(String(headers['content-type']), /^text\/event-stream/)
  assert.match(String(headers['cache-control']), /no-cache.*no-transform/)
  assert.deepEqual([headers['x-accel-buffering'], headers['content-encoding']], ['no', undefined])
  const ids = await add(period(417), { payload: { to: 'a\nb', nested: { n: [1] } } })
  await stream.until(({ tasks }) => tasks.length === 2, 'two tasks')
  const [one, two] = stream.tasks
  assert.deepEqual(
    stream.events.map(({ name, id }) => [name, id]),
    ids.map((id) => ['', id]),
  )
  assert.deepEqual([one?.Id, one?.Period, one?.Attempt], [ids[0], 417, 1])
  assert.deepEqual([two?.to, two?.nested], ['a\nb', { n: [1] }])
  assert.match(String(one?.Deadline), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  assert.match(ids[0] ?? '', /^[0-9a-v]{20}$/)
  await stream.until(({ comments }) => comments.length >= 3, 'comments')
  assert.equal(stream.retry, 1_000)
})

test('free workers are served in turn, each with a batch, and topped up only when the batch is settled', async (t) => {
  const { work, add, report } = await begin(t)
  const streams: TaskStream[] = []
  for (let i = 0; i < 3; i++) streams.push(await work('batchsize=2'))
  const [a, b, c] = streams as [TaskStream, TaskStream, TaskStream]
  await add(...Array.from({ length: 7 }, (_, i) => period(i)))
  await c.until(({ tasks }) => tasks.length === 2, 'the third worker’s batch')
  assert.deepEqual(
    streams.map(({ tasks }) => tasks.map(({ Period }) => Period)),
    [
      [0, 1],
      [2, 3],
      [4, 5],
    ],
  )
  await report([b.tasks[0]?.Id])
  await report([a.tasks[0]?.Id])
  await add(period(7), period(8))
  assert.deepEqual([a.tasks.length, b.tasks.length], [2, 2], 'half a batch is not settled')
  await report([b.tasks[1]?.Id])
  await b.until(({ tasks }) => tasks.length === 4, 'the next batch')
  assert.deepEqual(
    b.tasks.slice(2).map(({ Period }) => Period),
    [6, 7],
  )
  await report([a.tasks[1]?.Id])
  await a.until(({ tasks }) => tasks.length === 3, 'what is left')
})

test('a task that is added reaches a worker that waits, and a queue has its own workers', async (t) => {
  const { work, add } = await begin(t)
  const mail = await work('batchsize=1&queue=mail')
  const other = await work('batchsize=1&queue=other')
  const [id] = await add({ ...period(1), queue: 'mail' })
  await mail.until(({ tasks }) => tasks.length === 1, 'the task')
  assert.deepEqual([mail.tasks[0]?.Id, other.tasks.length], [id, 0])
})

test('what is not reported comes again, its worker is told, and the third time it is a dead letter with its history', async (t) => {
  const { work, add, ask, report, state } = await begin(t, { leaseMs: 300 })
  const stream = await work('batchsize=1&user=ann')
  const started = performance.now()
  const [id] = await add(period(5))
  await stream.until(({ tasks }) => tasks.length === 3, 'three attempts')
  assert.ok(performance.now() - started >= 590, 'no lease was shorter than it is')
  assert.deepEqual(
    stream.tasks.map(({ Attempt }) => Attempt),
    [1, 2, 3],
  )
  await stream.until(() => stream.named('lease-lost').length === 3, 'three losses')
  assert.deepEqual(
    stream.named('lease-lost').map(({ Id, Attempt, Token, Because }) => [Id, Attempt, Token, Because]),
    stream.tasks.map(({ Attempt, Token }) => [id, Attempt, Token, 'expired']),
  )
  const { body } = await ask('GET', '/tasks/dead')
  assert.deepEqual([body.tasks.length, body.tasks[0].id, body.tasks[0].state, body.next], [1, id, 'dead', null])
  for (const attempt of body.tasks[0].attempts) {
    assert.match(attempt.worker, /^ann\/[0-9a-v]{20}$/)
    assert.equal(attempt.outcome, 'expired')
    assert.ok(Date.parse(attempt.ended) - Date.parse(attempt.started) >= 299)
  }
  assert.deepEqual(await report([id]), { done: 1, unknown: 0 }, 'a late report settles a dead letter')
  assert.equal((await state(id as string)).state, 'done')
  assert.equal((await ask('GET', '/tasks/dead')).body.tasks.length, 0)
})

test('while a lease runs nobody else gets the task, though its worker is gone; a release on disconnect is an option', async (t) => {
  for (const releaseOnDisconnect of [false, true]) {
    const clock = new SimulatedClock()
    const { work, add, server, state, report } = await begin(t, { releaseOnDisconnect }, { world: stillWorld(clock) })
    const gone = await work('batchsize=1')
    const [id] = await add(period(1))
    await gone.until(({ tasks }) => tasks.length === 1, 'the task')
    gone.close()
    await eventually(() => server.registry.size === 0, 'its worker to be gone')
    const next = await work('batchsize=1')
    if (!releaseOnDisconnect) {
      clock.advance(59_999)
      // Whatever was to be handed out meanwhile would be there before this one.
      const [other] = await add(period(2))
      await next.until(({ tasks }) => tasks.length === 1, 'the other task')
      assert.deepEqual([next.tasks[0]?.Id, (await state(id as string)).state], [other, 'leased'])
      await report([other])
      clock.advance(1)
    }
    await next.until(({ tasks }) => tasks.some(({ Id }) => Id === id), 'the task again')
    assert.equal(next.tasks.at(-1)?.Attempt, 2)
    await server.stop(0)
  }
})

test('a report with an old token is told that it is late, and changes nothing', async (t) => {
  const clock = new SimulatedClock()
  const { work, add, report, state } = await begin(t, {}, { world: stillWorld(clock) })
  const slow = await work('batchsize=1')
  const [id] = await add(period(1))
  await slow.until(({ tasks }) => tasks.length === 1, 'attempt one')
  const [first] = slow.tasks
  clock.advance(60_000)
  await slow.until(({ tasks }) => tasks.length === 2, 'attempt two')
  const stale = await report({ done: [{ id, token: first?.Token }] })
  assert.deepEqual([stale.done, stale.stale, stale.outcomes[id as string]], [0, 1, 'stale'])
  assert.notEqual((await state(id as string)).state, 'done')
  const noted = (await state(id as string)).attempts.find(({ outcome }: { outcome: string }) => outcome === 'stale')
  assert.equal(noted?.number, 1)
  assert.deepEqual(await report({ done: [{ id, token: slow.tasks.at(-1)?.Token }] }), { done: 1, unknown: 0 })
})

test('a worker may report what it was sent, as it was sent: the tokens in it fence', async (t) => {
  const { work, add, report, state } = await begin(t, { leaseMs: 60_000 })
  const stream = await work('batchsize=4')
  const ids = await add(period(1), period(2), period(3), period(4))
  await stream.until(({ tasks }) => tasks.length === 4, 'the batch')
  const [one, two, three, four] = stream.tasks
  const old = { ...one, Token: '9.zz' }
  assert.equal((await report([old])).stale, 1)
  assert.equal((await report({ done: [old] })).stale, 1)
  assert.deepEqual(await report([one, { Id: two?.Id }]), { done: 2, unknown: 0 })
  assert.deepEqual(await report([{ id: three?.Id, token: three?.Token }]), { done: 1, unknown: 0 })
  assert.equal((await report({ done: [], failed: [{ ...four, reason: 'no such file' }] })).failed, 1)
  assert.equal((await state(ids[3] as string)).attempts[0].reason, 'no such file')
})

test('a task whose payload has a field `reason` is reported as it was sent like any other', async (t) => {
  const { work, add, report, state } = await begin(t, { leaseMs: 60_000 })
  const stream = await work('batchsize=3')
  const reasons = ['to try it', { code: 7 }, 'a'.repeat(10_000)]
  const ids = await add(...reasons.map((reason) => ({ payload: { reason } })))
  await stream.until(({ tasks }) => tasks.length === 3, 'the batch')
  const [one, two, three] = stream.tasks
  assert.deepEqual(await report([one]), { done: 1, unknown: 0 })
  const answer = await report({ failed: [two, three] })
  assert.equal(answer.failed, 2)
  const kept = await Promise.all(ids.map(async (id) => (await state(id as string)).attempts[0]))
  assert.deepEqual(
    kept.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['done', undefined],
      ['failed', undefined],
      ['failed', undefined],
    ],
  )
})

test('without a token a newer worker hears that it lost the lease; reporting twice is fine', async (t) => {
  const clock = new SimulatedClock()
  const { work, add, report } = await begin(t, {}, { world: stillWorld(clock) })
  const stream = await work('batchsize=1')
  const [id] = await add(period(1))
  await stream.until(({ tasks }) => tasks.length === 1, 'the first attempt')
  clock.advance(60_000)
  await stream.until(({ tasks }) => tasks.length === 2, 'the second attempt')
  assert.deepEqual(await report([id]), { done: 1, unknown: 0 })
  await stream.until(() => stream.named('lease-lost').some(({ Because }) => Because === 'done'), 'the loss')
  assert.deepEqual(await report([id, 'dc0d88oroq31h5rfj6ig']), { done: 1, unknown: 1 })
  assert.equal((await report({ done: [id] })).already, 1)
})

test('what failed waits for its back-off, and is then tried again', async (t) => {
  const clock = new SimulatedClock()
  const { work, add, report, state } = await begin(t, {}, { world: stillWorld(clock) })
  const stream = await work('batchsize=1')
  const [id] = await add({ ...period(1), backoff: { kind: 'fixed', ms: 400 } })
  await stream.until(({ tasks }) => tasks.length === 1, 'the task')
  const failed = await report({ failed: [{ id, token: stream.tasks[0]?.Token, reason: 'no such file' }] })
  assert.deepEqual([failed.done, failed.failed], [0, 1])
  const waiting = await state(id as string)
  assert.deepEqual([waiting.state, waiting.failures, waiting.attempts[0].reason], ['delayed', 1, 'no such file'])
  clock.advance(399)
  const [other] = await add(period(2))
  await stream.until(({ tasks }) => tasks.length === 2, 'another task, before it')
  await report([other])
  clock.advance(1)
  await stream.until(({ tasks }) => tasks.length === 3, 'the next attempt')
  assert.deepEqual(
    stream.tasks.map(({ Id }) => Id),
    [id, other, id],
  )
})

test('a lease can be made longer and told of, with its token only', async (t) => {
  const { work, add, ask, state } = await begin(t)
  const stream = await work('batchsize=1')
  const [id] = await add(period(1))
  await stream.until(({ tasks }) => tasks.length === 1, 'the task')
  const token = stream.tasks[0]?.Token
  const { status, body } = await ask('POST', `/tasks/${id}/extend`, { token, lease: 600_000 })
  assert.equal(status, 200)
  assert.ok(Date.parse(body.until) - Date.parse(stream.tasks[0]?.Deadline ?? '') >= 540_000)
  assert.equal((await ask('POST', `/tasks/${id}/progress`, { token, progress: { percent: 40 } })).status, 204)
  assert.deepEqual(
    [(await state(id as string)).state, (await state(id as string)).progress],
    ['leased', { percent: 40 }],
  )
  for (const what of ['extend', 'progress']) {
    const refused = await ask('POST', `/tasks/${id}/${what}`, {
      token: '7.7',
      ...(what === 'progress' && { progress: 1 }),
    })
    assert.deepEqual([refused.status, refused.body.field], [409, 'token'])
  }
})

test('HEAD makes no worker, and a worker that closes is found at once', async (t) => {
  const { work, add, server } = await begin(t)
  const head = await fetch(`${server.url}/task?batchsize=1`, { method: 'HEAD' })
  assert.notEqual(head.status, 200, 'HEAD makes no worker')
  assert.equal(server.registry.size, 0)
  const closing = await work('batchsize=1')
  closing.close()
  const staying = await work('batchsize=1')
  await eventually(() => server.registry.size === 1, 'whoever closed to be gone')
  await add(period(1))
  await staying.until(({ tasks }) => tasks.length === 1, 'whoever closed is found at once')
})

test('a server that drains ends the streams, hands out nothing more, and takes reports to its end', async (t) => {
  const clock = new SimulatedClock()
  const { work, add, server, ask } = await begin(t, {}, { world: stillWorld(clock) })
  const stream = await work('batchsize=1')
  const busy = await work('batchsize=1&queue=busy')
  const [id] = await add({ ...period(1), queue: 'busy' })
  await busy.until(({ tasks }) => tasks.length === 1, 'a task')
  const stopping = server.stop(1_500)
  assert.equal((await ask('POST', '/tasks', period(2))).status, 503)
  assert.deepEqual((await ask('POST', '/report', [id])).body, { done: 1, unknown: 0 })
  clock.advance(1_000)
  await stream.until(({ closed }) => closed, 'the end of the stream')
  assert.equal(stream.tasks.length, 0)
  clock.advance(500)
  await stopping
})

test('many streams of one named user are refused, and others still come', async (t) => {
  const { work } = await begin(t, { streamsPerUser: 2 })
  const statuses: number[] = []
  for (const user of ['ann', 'ann', 'ann', 'bert']) statuses.push((await work(`batchsize=1&user=${user}`)).status)
  assert.deepEqual(statuses, [200, 200, 429, 200])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from '../testing/server.ts'

const known = 'dc0d88oroq31h5rfj6ig'
const long = 'x'.repeat(129)

test('every field of a task that is wrong is named, and nothing of the call is added', async (t) => {
  const { ask, server } = await start(t)
  const wrong: [string, unknown[], number?][] = [
    ['payload', [undefined, null, 7, 'text', [], true]],
    ['payload.Id', [{ Id: 1 }]],
    ['payload.Token', [{ Token: 'x' }]],
    ['queue', ['', ' ', 'a b', 'a/b', 'ä', long, 7, null]],
    ['priority', [1.5, '1', 1_001, -1_001, null, 1e9]],
    ['delay', [-1, 0.5, '1', 31 * 86_400_000, null]],
    ['key', ['', long, 7, null, 'a\nb', 'ä'.repeat(65)]],
    ['group', ['', long, 7, 'a\u0000']],
    ['maxAttempts', [0, -1, 101, 1.5, '3', null]],
    ['lease', [0, 99, 3_600_001, 1.5, '5000']],
    ['backoff', ['1', -1, 0.5, null, []]],
    ['backoff.kind', [{ ms: 1 }, { kind: 'linear', ms: 1 }]],
    ['backoff.ms', [{ kind: 'fixed' }, { kind: 'fixed', ms: -1 }]],
    ['backoff.more', [{ kind: 'fixed', ms: 1, more: 1 }]],
    ['room', ['', 'a b', 7]],
    ['unknown', [1]],
  ]
  for (const [path, values] of wrong) {
    const field = path.split('.')[0] as string
    for (const value of values) {
      const task = { payload: {}, ...{ [field]: value } }
      for (const [body, name] of [
        [task, path],
        [[{ payload: {} }, task], `1.${path}`],
      ] as const) {
        const answer = await ask('POST', '/tasks', body)
        const said = `${JSON.stringify(value)} ${JSON.stringify(answer.body)}`
        assert.deepEqual([answer.status, answer.type.split(';')[0]], [400, 'application/problem+json'], said)
        assert.ok(String(answer.body.field).startsWith(name.replace(/\.(kind|ms)$/, '')), said)
        assert.ok(answer.body.detail.length > 10 && answer.body.code === 'invalid', said)
      }
    }
  }
  for (const [body, status] of [
    [[], 400],
    [Array.from({ length: 1_001 }, () => ({ payload: {} })), 400],
    ['nonsense', 400],
    ['null', 400],
    ['"text"', 400],
    ['{"payload":{"__proto__":1}}', 400],
    [`{"payload":${'{"a":'.repeat(40)}1${'}'.repeat(40)}}`, 400],
    [{ payload: { big: 'x'.repeat(65_536) } }, 413],
    [[{ payload: {} }, { payload: { big: 'ä'.repeat(33_000) } }], 413],
    [`{"payload":{"big":"${'x'.repeat(10 * 2 ** 20)}"}}`, 413],
  ] as const) {
    const answer = await ask('POST', '/tasks', body)
    assert.deepEqual([answer.status, answer.type.split(';')[0]], [status, 'application/problem+json'])
  }
  assert.deepEqual(server.tasks.queues(), [])
  const largest = { payload: { big: 'x'.repeat(65_536 - '{"big":""}'.length) }, key: 'k'.repeat(128), priority: -1_000 }
  assert.equal(
    (await ask('POST', '/tasks', [largest, { payload: {}, delay: 30 * 86_400_000, lease: 100 }])).status,
    201,
  )
})

test('a batch size that is none is refused before there is a stream', async (t) => {
  const { server, ask } = await start(t)
  const wrong = ['', 'batchsize=', 'batchsize=0', 'batchsize=-1', 'batchsize=1.5', 'batchsize=1e9', 'batchsize=1e2']
  for (const query of [
    ...wrong,
    'batchsize=1001',
    'batchsize=%201',
    'batchsize=x',
    'batchsize=0x10',
    'batchsize=1&batchsize=2',
  ]) {
    const { status, type, body } = await ask('GET', `/task?${query}`)
    assert.deepEqual([status, type.split(';')[0], body.field], [400, 'application/problem+json', 'batchsize'], query)
    assert.match(body.detail, /1 to 1000/)
  }
  assert.equal((await ask('GET', '/task?batchsize=1&queue=a%20b')).body.field, 'queue')
  assert.equal(server.registry.size, 0)
})

test('a report that is none says what it must be, settles nothing, and the server goes on', async (t) => {
  const { ask } = await start(t)
  const id = (await ask('POST', '/tasks', { payload: {} })).body.tasks[0].id
  const ids = (count: number) => Array.from({ length: count }, () => known)
  const wrong: [unknown, number, string?][] = [
    [{}, 400],
    ['7', 400],
    ['"text"', 400],
    ['null', 400],
    ['[', 400],
    [[7], 400, '0'],
    [[null], 400, '0'],
    [[id, ['x']], 400, '1'],
    [[id, ''], 400, '1'],
    [[id, long], 400, '1'],
    [[{ id }], 400, '0'],
    [{ done: id }, 400, 'done'],
    [{ done: [id], more: [] }, 400, 'more'],
    [{ done: [{ token: '1.1' }] }, 400, 'done'],
    [{ failed: [{ id, reason: 'x'.repeat(1_001) }] }, 400, 'failed'],
    [{ failed: [{ id, token: 7 }] }, 400, 'failed'],
    [ids(10_001), 400],
    [ids(100_000), 413],
    [`["${'x'.repeat(10 * 2 ** 20)}"]`, 413],
  ]
  for (const [body, status, field] of wrong) {
    const answer = await ask('POST', '/report', body)
    const said = `${JSON.stringify(body).slice(0, 60)} ${JSON.stringify(answer.body)}`
    assert.deepEqual([answer.status, answer.type.split(';')[0]], [status, 'application/problem+json'], said)
    if (field !== undefined) assert.ok(String(answer.body.field).startsWith(field), said)
  }
  assert.equal((await ask('GET', `/tasks/${id}`)).body.state, 'ready')
  assert.deepEqual((await ask('POST', '/report', [])).body, { done: 0, unknown: 0 })
  assert.deepEqual((await ask('POST', '/report', ids(10_000))).body.unknown, 10_000)
  assert.deepEqual((await ask('POST', '/report', [id, id, 'x'])).body, { done: 2, unknown: 1 })
  assert.deepEqual((await ask('POST', '/report', { done: [id] })).body, {
    ...{ done: 1, unknown: 0, already: 1 },
    outcomes: { [id]: 'already' },
  })
})

test('an id that no task can have is unknown, and costs the others of its report nothing', async (t) => {
  const { ask } = await start(t)
  const id = (await ask('POST', '/tasks', { payload: {} })).body.tasks[0].id
  const other = (await ask('POST', '/tasks', { payload: {} })).body.tasks[0].id
  const odd = ['nope', '7', id.toUpperCase(), `${id}0`, '🦀', '__proto__']
  const answer = await ask('POST', '/report', [...odd, id])
  assert.deepEqual([answer.status, answer.body.done, answer.body.unknown], [200, 1, odd.length])
  const shaped = await ask('POST', '/report', { done: ['x', { id: 'y', token: '1.1' }, other], failed: ['z'] })
  assert.deepEqual([shaped.body.done, shaped.body.unknown, shaped.body.outcomes.z], [1, 3, 'unknown'])
  for (const settled of [id, other]) assert.equal((await ask('GET', `/tasks/${settled}`)).body.state, 'done')
})

test('a body is read as json whatever it says of itself, as curl and fetch send it', async (t) => {
  const { ask, server } = await start(t)
  const post = (path: string, body: string, type?: string) =>
    fetch(server.url + path, {
      method: 'POST',
      body,
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    })
  for (const type of [undefined, 'application/x-www-form-urlencoded', 'application/octet-stream']) {
    const id = (await ask('POST', '/tasks', { payload: {} })).body.tasks[0].id
    assert.deepEqual(await (await post('/report', `["${id}"]`, type)).json(), { done: 1, unknown: 0 })
  }
  assert.equal((await post('/rooms?user=ann', '{"name":"Tea"}')).status, 201)
  // Programs that always say that they send JSON, and send nothing.
  assert.equal((await post('/tasks/dead/retry', '', 'application/json')).status, 200)
})

test('a key makes adding harmless to repeat, and another payload under it is refused', async (t) => {
  const { ask, server } = await start(t)
  const task = { payload: { order: 7 }, key: 'order-7' }
  const first = await ask('POST', '/tasks', [task, { payload: {} }])
  assert.equal(first.status, 201)
  const again = await ask('POST', '/tasks', task)
  assert.deepEqual([again.status, again.body.tasks], [200, [{ ...first.body.tasks[0], repeated: true }]])
  const other = await ask('POST', '/tasks', [{ payload: {} }, { ...task, payload: { order: 8 } }])
  assert.deepEqual([other.status, other.body.code, other.body.field], [409, 'conflict', 'key'])
  assert.equal(
    (await ask('POST', '/tasks', { ...task, queue: 'other', payload: {} })).status,
    201,
    'a key is of its queue',
  )
  assert.deepEqual(
    server.tasks.queues().map(({ queue, ready }) => [queue, ready]),
    [
      ['default', 2],
      ['other', 1],
    ],
  )
})

test('dead letters are listed page by page, tried again and dropped, one or all', async (t) => {
  const { ask } = await start(t)
  const tasks = Array.from({ length: 7 }, (_, i) => ({ payload: { i }, queue: i < 5 ? 'a' : 'b' }))
  const ids: string[] = (await ask('POST', '/tasks', tasks)).body.tasks.map(({ id }: { id: string }) => id)
  for (const id of ids) assert.equal((await ask('POST', `/tasks/${id}/bury`, { reason: 'by hand' })).body.state, 'dead')
  const page = async (query: string) => (await ask('GET', `/tasks/dead?${query}`)).body
  const found: string[] = []
  for (let after = ''; ; ) {
    const { tasks: some, next } = await page(`limit=2${after}`)
    found.push(...some.map(({ id }: { id: string }) => id))
    if (next === null) break
    after = `&after=${encodeURIComponent(next)}`
  }
  assert.deepEqual(found, ids)
  assert.equal((await page('queue=b')).tasks.length, 2)
  assert.equal((await page('queue=b')).tasks[0].attempts[0].reason, 'by hand')
  assert.equal((await ask('GET', '/tasks/dead?after=nonsense')).body.field, 'after')
  assert.deepEqual((await ask('POST', `/tasks/dead/${ids[0]}/retry`)).body.state, 'ready')
  assert.equal((await ask('POST', `/tasks/dead/${ids[0]}/retry`)).status, 404)
  assert.equal((await ask('DELETE', `/tasks/dead/${ids[1]}`)).status, 204)
  assert.equal((await ask('GET', `/tasks/${ids[1]}`)).status, 404)
  assert.equal((await ask('POST', `/tasks/${ids[2]}/bury`)).status, 409)
  assert.deepEqual((await ask('POST', '/tasks/dead/retry?queue=a')).body, { retried: 3 })
  assert.deepEqual((await ask('DELETE', '/tasks/dead?queue=b')).body, { dropped: 2 })
  assert.deepEqual((await page('')).tasks, [])
  for (const id of ['nonsense', known, '%00', 'dead%2Fx'])
    assert.equal((await ask('GET', `/tasks/${id}`)).status, 404, id)
})

test('a queue is counted, paused, configured and emptied, the last only with its name', async (t) => {
  const { ask } = await start(t)
  await ask('POST', '/tasks', [{ payload: {} }, { payload: {} }, { payload: {}, delay: 60_000 }])
  const queue = async () => (await ask('GET', '/queues')).body.queues[0]
  const { ready, delayed, leased, dead, done, paused, workers, oldestReady } = await queue()
  assert.deepEqual([ready, delayed, leased, dead, done, paused, workers], [2, 1, 0, 0, 0, false, 0])
  assert.ok(Date.parse(oldestReady) > 0)
  const settings = { paused: true, groupConcurrency: 3, ordered: true }
  assert.deepEqual((await ask('PATCH', '/queues/default', settings)).body, settings)
  assert.deepEqual((await ask('PATCH', '/queues/default', { paused: false })).body, { ...settings, paused: false })
  for (const [body, field] of [
    [{}, undefined],
    [{ paused: 'yes' }, 'paused'],
    [{ groupConcurrency: -1 }, 'groupConcurrency'],
    [{ more: 1 }, 'more'],
  ] as const) {
    const { status, body: problem } = await ask('PATCH', '/queues/default', body)
    assert.deepEqual([status, problem.field], [400, field])
  }
  for (const confirm of ['', '?confirm=', '?confirm=other']) {
    assert.equal((await ask('DELETE', `/queues/default/tasks${confirm}`)).body.field, 'confirm')
  }
  assert.deepEqual((await ask('DELETE', '/queues/default/tasks?confirm=default')).body, { purged: 3 })
  assert.equal((await queue()).ready, 0)
})

test('one group’s 100,000 tasks do not keep ten of another waiting: they are done within the first 40 claims', async (t) => {
  const { server } = await start(t, { durability: 'relaxed' })
  for (let i = 0; i < 100; i++) {
    await server.tasks.add(Array.from({ length: 1_000 }, () => ({ payload: {}, group: 'large' })))
  }
  const small = await server.tasks.add(Array.from({ length: 10 }, () => ({ payload: {}, group: 'small' })))
  const left = new Set(small.map(({ id }) => id))
  const claims = Promise.withResolvers<number>()
  let count = 0
  const work = server.tasks.work(
    { id: 'w', queue: 'default', batch: 1 },
    {
      batch: ([lease]) => {
        count += 1
        left.delete(lease?.task.id ?? '')
        if (left.size === 0) claims.resolve(count)
        else void server.tasks.report([{ id: lease?.task.id ?? '', outcome: 'done' }])
      },
      lost: () => undefined,
      silent: () => undefined,
    },
  )
  assert.ok((await claims.promise) <= 40)
  work.close()
})

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ServerProcess, startProcess } from '../testing/process.ts'
import { ask, start, temporaryFolder } from '../testing/server.ts'
import { TaskStream } from '../testing/task-worker.ts'

const script = new URL('../testing/task-worker-process.ts', import.meta.url).pathname

test('workers killed every 200 ms: 10,000 tasks are all done or dead, and no task was with two at one time', async (t) => {
  const { server, ask } = await start(t, { leaseMs: 500 })
  const log = join(await temporaryFolder(t), 'log')
  const workers = Array.from({ length: 3 }, (): ChildProcess => spawnWorker(t, server.url, log))
  const total = 10_000
  for (let added = 0; added < total; added += 1_000) {
    const tasks = Array.from({ length: 1_000 }, (_, i) => ({ payload: { Period: 20 + (i % 40) } }))
    assert.equal((await ask('POST', '/tasks', tasks)).status, 201)
  }
  let kills = 0
  const killing = setInterval(() => {
    const victim = kills++ % workers.length
    workers[victim]?.kill('SIGKILL')
    workers[victim] = spawnWorker(t, server.url, log)
  }, 200)
  t.after(() => clearInterval(killing))
  await until(() => {
    const [queue] = server.tasks.queues()
    return queue !== undefined && queue.ready + queue.delayed + queue.leased === 0
  })
  clearInterval(killing)
  const [queue] = server.tasks.queues()
  assert.equal((queue?.done ?? 0) + (queue?.dead ?? 0), total)
  assert.ok(kills >= 10, `${kills} kills`)
  assert.ok((queue?.done ?? 0) > total / 2)
  const attempts = readLog(log)
  assert.ok(
    attempts.some(({ attempt }) => attempt > 1),
    'some were tried again',
  )
  assert.ok(
    attempts.some(({ end }) => end === undefined),
    'some were killed in the middle',
  )
  checkOverlaps(attempts)
})

interface LoggedAttempt {
  readonly id: string
  readonly attempt: number
  readonly deadline: number
  readonly start: number
  end: number | undefined
}

function readLog(log: string): LoggedAttempt[] {
  const attempts = new Map<string, LoggedAttempt>()
  for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
    const [what, id = '', attempt = '', ...times] = line.split(' ')
    const [deadline = 0, at = 0] = what === 'start' ? times.map(Number) : [0, Number(times[0])]
    const key = `${id} ${attempt}`
    if (what === 'start') {
      assert.ok(!attempts.has(key), `attempt ${attempt} of ${id} began twice`)
      attempts.set(key, { id, attempt: Number(attempt), deadline, start: at, end: undefined })
      continue
    }
    const begun = attempts.get(key)
    if (begun !== undefined) begun.end = at
  }
  return [...attempts.values()]
}

/** An attempt begins when the one before has ended, or when its lease is over: wall times of one machine, to a millisecond. */
function checkOverlaps(attempts: readonly LoggedAttempt[]): void {
  const byTask = new Map<string, LoggedAttempt[]>()
  for (const attempt of attempts) byTask.set(attempt.id, [...(byTask.get(attempt.id) ?? []), attempt])
  for (const [id, tries] of byTask) {
    tries.sort((a, b) => a.attempt - b.attempt)
    for (const [i, next] of tries.slice(1).entries()) {
      const before = tries[i] as LoggedAttempt
      const over = Math.min(before.end ?? Number.POSITIVE_INFINITY, before.deadline)
      assert.ok(next.start >= over - 1, `attempt ${next.attempt} of ${id} began ${over - next.start} ms too early`)
    }
  }
}

function spawnWorker(t: TestContext, url: string, log: string): ChildProcess {
  const child = spawn(process.execPath, [script, url, log, '50'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  return child
}

test('the server killed under load, 20 times: what was reported never comes again, what was added is not lost', async (t) => {
  const data = await temporaryFolder(t)
  const history = new History()
  for (let cycle = 0; cycle < 20; cycle++) {
    const server = await startProcess(t, data, ['--lease-ms', '400', '--backoff-ms', '50'])
    const load = new Load(server, history, cycle)
    await new Promise((resolve) => setTimeout(resolve, 60 + ((cycle * 97) % 400)))
    await server.kill()
    await load.end()
  }
  assert.ok(history.added.size > 500, `${history.added.size} added`)
  assert.ok(history.reported.size > 100, `${history.reported.size} reported`)
  const server = await startProcess(t, data, ['--lease-ms', '400', '--backoff-ms', '50'])
  const load = new Load(server, history, 99, 0)
  let counts = { ready: 1, delayed: 0, leased: 0, done: 0, dead: 0 }
  await until(async () => {
    counts = (await ask(server.url, 'GET', '/queues')).body.queues[0]
    return counts.ready + counts.delayed + counts.leased === 0
  })
  await server.kill()
  await load.end()
  const last = await startProcess(t, data)
  const states = new Map<string, string>()
  for (let after = ''; ; ) {
    const { body } = await ask(last.url, 'GET', `/tasks?limit=500${after}`)
    for (const { id, state } of body.tasks) states.set(id, state)
    if (body.next === null) break
    after = `&after=${body.next}`
  }
  for (const id of history.added) assert.match(states.get(id) ?? 'lost', /^(done|dead)$/, id)
  for (const id of history.reported) assert.equal(states.get(id), 'done', id)
  assert.deepEqual(history.violations, [])
})

/** What clients know, over all lives of the server. */
class History {
  /** Whose adding was answered. */
  readonly added = new Set<string>()
  /** Whose report was answered. */
  readonly reported = new Set<string>()
  readonly violations: string[] = []
}

/** Adders and workers, until their server is gone. */
class Load {
  readonly #url: string
  readonly #history: History
  readonly #running: Promise<unknown>[]
  #streams: TaskStream[] = []

  constructor(server: ServerProcess, history: History, cycle: number, adders = 2) {
    this.#url = server.url
    this.#history = history
    const ignore = () => undefined
    this.#running = [
      ...Array.from({ length: adders }, (_, i) => this.#add(`${cycle}-${i}`).catch(ignore)),
      ...Array.from({ length: 3 }, () => this.#work().catch(ignore)),
    ]
  }

  async end(): Promise<void> {
    for (const stream of this.#streams) stream.close()
    await Promise.all(this.#running)
  }

  async #add(name: string): Promise<void> {
    for (let n = 0; ; n++) {
      const tasks = Array.from({ length: 5 }, (_, i) => ({
        payload: { n },
        key: `${name}-${n}-${i}`,
        maxAttempts: 100,
      }))
      const { status, body } = await ask(this.#url, 'POST', '/tasks', tasks)
      if (status === 201) for (const { id } of body.tasks) this.#history.added.add(id)
    }
  }

  async #work(): Promise<void> {
    const stream = await TaskStream.open(`${this.#url}/task?batchsize=7`)
    this.#streams.push(stream)
    for (let seen = 0; !stream.closed; ) {
      await stream.until(({ tasks, closed }) => tasks.length > seen || closed, 'tasks', 60_000)
      const fresh = stream.tasks.slice(seen)
      seen += fresh.length
      for (const { Id, Attempt } of fresh) {
        if (this.#history.reported.has(Id)) this.#history.violations.push(`${Id} came again as attempt ${Attempt}`)
      }
      if (fresh.length === 0) continue
      const ids = fresh.map(({ Id }) => Id)
      const { status, body } = await ask(this.#url, 'POST', '/report', ids)
      if (status === 200 && body.done === ids.length) for (const id of ids) this.#history.reported.add(id)
    }
  }
}

test('after kill -9 a lease has its full length again, and its late worker can still report', async (t) => {
  const data = await temporaryFolder(t)
  const flags = ['--lease-ms', '1500']
  const first = await startProcess(t, data, flags)
  const stream = await TaskStream.open(`${first.url}/task?batchsize=1`)
  const { body } = await ask(first.url, 'POST', '/tasks', [{ payload: { n: 1 } }, { payload: { n: 2 } }])
  await stream.until(({ tasks }) => tasks.length === 1, 'the task')
  const [task] = stream.tasks
  await until(() => Date.now() > Date.parse(task?.Deadline ?? '') - 700)
  await first.kill()
  const second = await startProcess(t, data, flags)
  const started = Date.now()
  const state = async (id: string) => (await ask(second.url, 'GET', `/tasks/${id}`)).body
  const leased = await state(task?.Id as string)
  assert.deepEqual([leased.state, leased.attempt], ['leased', 1])
  assert.ok(Date.parse(leased.until) - started > 1_000, 'its full length, less what the start took')
  const next = await TaskStream.open(`${second.url}/task?batchsize=1`)
  await next.until(({ tasks }) => tasks.length === 1, 'the other task')
  assert.equal(next.tasks[0]?.Id, body.tasks[1].id)
  assert.deepEqual((await ask(second.url, 'POST', '/report', { done: [{ id: task?.Id, token: task?.Token }] })).body, {
    done: 1,
    unknown: 0,
  })
})

async function until(done: () => boolean | Promise<boolean>, ms = 90_000): Promise<void> {
  const start = performance.now()
  while (!(await done())) {
    if (performance.now() - start > ms) throw new Error(`not in ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

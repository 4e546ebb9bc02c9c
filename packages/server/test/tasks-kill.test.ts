import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { eventually } from '../testing/eventually.ts'
import { type ServerProcess, startProcess } from '../testing/process.ts'
import { ask, start, temporaryFolder } from '../testing/server.ts'
import { TaskStream } from '../testing/task-worker.ts'
import { pause } from '../testing/writer.ts'

const script = new URL('../testing/task-worker-process.ts', import.meta.url).pathname
/** Of a server that is killed. */
const leaseMs = 400
const patienceMs = 150_000

test('workers killed in the middle of their work: 10,000 tasks are all done or dead, and no task was with two at one time', async (t) => {
  const { server, ask } = await start(t, { leaseMs: 2_000 })
  const folder = await temporaryFolder(t)
  const logs: string[] = []
  const spawnOne = (): Victim => {
    const log = join(folder, String(logs.length))
    logs.push(log)
    return { log, child: spawnWorker(t, server.url, log) }
  }
  const workers = Array.from({ length: 3 }, spawnOne)
  const total = 10_000
  for (let added = 0; added < total; added += 1_000) {
    const tasks = Array.from({ length: 1_000 }, (_, i) => ({ payload: { Period: 20 + (i % 40) } }))
    assert.equal((await ask('POST', '/tasks', tasks)).status, 201)
  }
  const over = (): boolean => {
    const [queue] = server.tasks.queues()
    return queue !== undefined && queue.ready + queue.delayed + queue.leased === 0
  }
  let kills = 0
  while (kills < 30 && !over()) {
    const { child, log } = workers.shift() as Victim
    // However long a start takes here, each one gets to work.
    await eventually(() => existsSync(log) || over(), 'a worker to begin', patienceMs)
    await pause(150)
    child.kill('SIGKILL')
    kills++
    workers.push(spawnOne())
  }
  await eventually(over, 'all to be done or dead', patienceMs)
  const [queue] = server.tasks.queues()
  assert.equal((queue?.done ?? 0) + (queue?.dead ?? 0), total)
  assert.ok(kills >= 10, `${kills} kills`)
  assert.ok((queue?.done ?? 0) > total / 2)
  const attempts = logs.flatMap(readLog)
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

interface Victim {
  readonly child: ChildProcess
  readonly log: string
}

interface LoggedAttempt {
  readonly id: string
  readonly attempt: number
  readonly deadline: number
  readonly start: number
  end: number | undefined
}

function readLog(log: string): LoggedAttempt[] {
  // Some were killed before they had begun anything.
  if (!existsSync(log)) return []
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
  const flags = ['--lease-ms', String(leaseMs), '--backoff-ms', '50']
  for (let cycle = 0; cycle < 20; cycle++) {
    const server = await startProcess(t, data, flags)
    const [added, reported] = [history.added.size, history.reported.size]
    const load = new Load(server, history, cycle)
    const working = () => history.added.size > added + 25 && history.reported.size > reported + 6
    await eventually(working, 'work to be done', patienceMs)
    await pause((cycle * 97) % 400)
    await server.kill()
    await load.end()
  }
  assert.ok(history.added.size > 500, `${history.added.size} added`)
  assert.ok(history.reported.size > 100, `${history.reported.size} reported`)
  const server = await startProcess(t, data, flags)
  const load = new Load(server, history, 99, 0)
  const over = async (): Promise<boolean> => {
    const counts = (await ask(server.url, 'GET', '/queues')).body.queues[0]
    return counts.ready + counts.delayed + counts.leased === 0
  }
  await eventually(over, 'all to be done or dead', patienceMs)
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
  for (const id of history.reported.keys()) assert.equal(states.get(id), 'done', id)
  assert.deepEqual(history.violations, [])
})

/** What clients know, over all lives of the server. */
class History {
  /** Whose adding was answered. */
  readonly added = new Set<string>()
  /** Whose report was answered, and when. */
  readonly reported = new Map<string, number>()
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
      for (const { Id, Attempt, Deadline } of fresh) {
        // What was handed out before may be read here after the answer to another one's report.
        const begunAt = Date.parse(Deadline) - leaseMs
        const late = begunAt > (this.#history.reported.get(Id) ?? Number.POSITIVE_INFINITY)
        if (late) this.#history.violations.push(`${Id} came again as attempt ${Attempt}`)
      }
      if (fresh.length === 0) continue
      const ids = fresh.map(({ Id }) => Id)
      const { status, body } = await ask(this.#url, 'POST', '/report', ids)
      if (status !== 200 || body.done !== ids.length) continue
      for (const id of ids) if (!this.#history.reported.has(id)) this.#history.reported.set(id, Date.now())
    }
  }
}

test('after kill -9 a lease has its full length again, and its late worker can still report', async (t) => {
  const data = await temporaryFolder(t)
  const flags = ['--lease-ms', '60000']
  const first = await startProcess(t, data, flags)
  const stream = await TaskStream.open(`${first.url}/task?batchsize=1`)
  const { body } = await ask(first.url, 'POST', '/tasks', [{ payload: { n: 1 } }, { payload: { n: 2 } }])
  await stream.until(({ tasks }) => tasks.length === 1, 'the task')
  const [task] = stream.tasks
  await first.kill()
  await pause(50)
  const killed = Date.now()
  const second = await startProcess(t, data, flags)
  const state = async (id: string) => (await ask(second.url, 'GET', `/tasks/${id}`)).body
  const leased = await state(task?.Id as string)
  assert.deepEqual([leased.state, leased.attempt], ['leased', 1])
  assert.ok(Date.parse(leased.until) >= killed + 60_000, 'its full length')
  assert.ok(Date.parse(task?.Deadline ?? '') < killed + 60_000, 'which is longer than it was')
  const next = await TaskStream.open(`${second.url}/task?batchsize=1`)
  await next.until(({ tasks }) => tasks.length === 1, 'the other task')
  assert.equal(next.tasks[0]?.Id, body.tasks[1].id)
  assert.deepEqual((await ask(second.url, 'POST', '/report', { done: [{ id: task?.Id, token: task?.Token }] })).body, {
    done: 1,
    unknown: 0,
  })
})

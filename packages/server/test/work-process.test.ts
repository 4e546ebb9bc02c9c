// `nitka work` as a process, against a server that does what the test says, and the supervisor that starts it again.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Death, Supervisor } from '../src/cli/supervisor.ts'
import { realWorld } from '../src/world.ts'
import { eventually } from '../testing/eventually.ts'
import { runProcess } from '../testing/process.ts'

const main = new URL('../src/main.ts', import.meta.url).pathname

interface Stream {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly response: ServerResponse
  task(id: string, fields?: Record<string, unknown>): void
}

/** The two paths that a worker knows, and nothing behind them. */
class FakeServer {
  readonly streams: Stream[] = []
  readonly reports: string[][] = []
  /** Answers in place of the usual ones, in order: to `GET /task` and to `POST /report`. */
  readonly refusals: { task: number[]; report: number[] } = { task: [], report: [] }
  readonly http = createServer((request, response) => this.#answer(request, response))

  static async start(t: TestContext): Promise<FakeServer> {
    const server = new FakeServer()
    server.http.listen(0, '127.0.0.1')
    await once(server.http, 'listening')
    t.after(() => {
      server.http.closeAllConnections()
      server.http.close()
    })
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`
  }

  /** The n-th stream that was opened, from 1; waits for it. */
  async stream(n: number): Promise<Stream> {
    await eventually(() => this.streams.length >= n, `stream ${n}`)
    return this.streams[n - 1]!
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const refused = path.startsWith('/task') ? this.refusals.task.shift() : undefined
    if (refused !== undefined) return refuse(response, refused)
    if (path.startsWith('/task')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 10\n: hello\n\n')
      const task = (id: string, fields: Record<string, unknown> = {}): void => {
        response.write(`id: ${id}\ndata: ${JSON.stringify({ Id: id, Period: 10, Attempt: 1, ...fields })}\n\n`)
      }
      this.streams.push({ path, headers: request.headers, response, task })
      return
    }
    let body = ''
    for await (const piece of request) body += piece
    const late = this.refusals.report.shift()
    if (late !== undefined) return refuse(response, late)
    this.reports.push(JSON.parse(body))
    response.end('{"done":1,"unknown":0}')
  }
}

function refuse(response: ServerResponse, status: number): void {
  const code = status === 503 ? 'draining' : 'forbidden'
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ type: 'x', title: code, status, code, detail: `because \u001b[31mof ${status}` }))
}

interface WorkerProcess {
  readonly child: ChildProcess
  readonly output: () => string
  readonly errors: () => string
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>
}

function startWorker(t: TestContext, url: string, flags: readonly string[] = []): WorkerProcess {
  const child = spawn(process.execPath, [main, 'work', '--url', url, ...flags], { stdio: ['pipe', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let [output, errors] = ['', '']
  child.stdout.on('data', (piece: Buffer) => {
    output += piece
  })
  child.stderr.on('data', (piece: Buffer) => {
    errors += piece
  })
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  return { child, output: () => output, errors: () => errors, exited }
}

test('a worker asks for a batch of 2 to 10 of its queue, and reports what it was given', async (t) => {
  const server = await FakeServer.start(t)
  startWorker(t, server.url)
  startWorker(t, server.url, ['--queue', 'mail', '--batch', '37'])
  await server.stream(2)
  const stream = server.streams.find(({ path }) => path === '/task?batchsize=37&queue=mail')!
  const drawn = server.streams.find((other) => other !== stream)!
  assert.match(drawn.path, /^\/task\?batchsize=([2-9]|10)&queue=default$/)
  for (const id of ['a', 'b', 'c']) stream.task(id, { Period: 50 })
  await eventually(() => server.reports.flat().length >= 3, 'the report')
  assert.deepEqual(server.reports.flat().sort(), ['a', 'b', 'c'])
})

test('a task over 900 ends the process at once with code 1, and nothing is reported', async (t) => {
  const server = await FakeServer.start(t)
  const worker = startWorker(t, server.url, ['--batch', '2'])
  const stream = await server.stream(1)
  stream.task('good')
  stream.task('fatal', { Period: 901 })
  assert.deepEqual(await worker.exited, [1, null])
  assert.match(worker.output(), /task good attempt 1 ended\n.*Period 901 is over 900: the whole worker ends\n$/)
  assert.equal(worker.errors(), '')
  assert.deepEqual(server.reports, [])
})

test('a worker comes back after its stream ended, with the last id, and after a server that is going away', async (t) => {
  const server = await FakeServer.start(t)
  const worker = startWorker(t, server.url, ['--batch', '3'])
  const first = await server.stream(1)
  assert.equal(first.headers['last-event-id'], undefined)
  first.task('a', { Period: 0 })
  await eventually(() => server.reports.length === 1, 'the report')
  server.refusals.task.push(503, 503)
  first.response.end('data: {"Id":"half')
  const second = await server.stream(2)
  assert.equal(second.headers['last-event-id'], 'a')
  assert.equal(server.refusals.task.length, 0)
  second.response.destroy()
  const third = await server.stream(3)
  server.refusals.report.push(503)
  third.task('b', { Period: 0 })
  await eventually(() => server.reports.length === 2, 'the report to be repeated')
  assert.deepEqual(server.reports, [['a'], ['b']])
  assert.match(worker.output(), /disconnected: because {1,2}\[31mof 503; again in \d+ ms/)
})

test('on SIGTERM a worker finishes, reports and exits with 0; on a second signal it ends at once', async (t) => {
  const server = await FakeServer.start(t)
  const patient = startWorker(t, server.url, ['--batch', '2'])
  const stream = await server.stream(1)
  stream.task('a', { Period: 700 })
  await eventually(() => patient.output().includes('task a attempt 1 started'), 'the task to start')
  patient.child.kill('SIGTERM')
  assert.deepEqual(await patient.exited, [0, null])
  assert.deepEqual(server.reports, [['a']])
  assert.match(patient.output(), /SIGTERM/)

  const hurried = startWorker(t, server.url, ['--batch', '2'])
  const next = await server.stream(2)
  next.task('b', { Period: 900 })
  server.refusals.report.push(...Array.from({ length: 20 }, () => 503))
  await eventually(() => hurried.output().includes('task b attempt 1 started'), 'the task to start')
  hurried.child.kill('SIGINT')
  await eventually(() => hurried.output().includes('not reported'), 'the report to be refused')
  hurried.child.kill('SIGINT')
  assert.deepEqual(await hurried.exited, [1, null])
})

test('an idle worker exits with 0 on SIGINT, also while it waits to come back', async (t) => {
  const server = await FakeServer.start(t)
  const idle = startWorker(t, server.url)
  const stream = await server.stream(1)
  await eventually(() => idle.output().includes('connected'), 'the connection')
  server.refusals.task.push(...Array.from({ length: 50 }, () => 503))
  stream.response.end()
  await eventually(() => idle.output().includes('disconnected'), 'the disconnect')
  idle.child.kill('SIGINT')
  assert.deepEqual(await idle.exited, [0, null])
})

test('what a person can mend is one line: no server, a refusal, wrong flags', async (t) => {
  const server = await FakeServer.start(t)
  const away = await runProcess(t, ['work', '--url', 'http://127.0.0.1:9'])
  assert.deepEqual([away.code, away.output.split('\n').length], [1, 2])
  assert.equal(away.errors, 'nitka: no server answers at http://127.0.0.1:9; start one with `nitka serve`\n')
  server.refusals.task.push(403)
  const refused = await runProcess(t, ['work', '--url', server.url])
  assert.deepEqual([refused.code, refused.errors], [1, 'nitka: because  [31mof 403\n'])
  const wrong = [
    ['--batch', '0'],
    ['--batch', '1.5'],
    ['--batch', '1001'],
    ['--queue', '--batch'],
    ['--bacth', '3'],
  ]
  wrong.push(['--batch'], ['--url', 'localhost:8080'], ['--url', 'nonsense'], ['extra'], ['--supervised=no'])
  const ends = await Promise.all(wrong.map((flags) => runProcess(t, ['work', ...flags])))
  for (const [i, { code, errors }] of ends.entries()) {
    assert.equal(code, 2, wrong[i]?.join(' '))
    assert.match(errors, /^nitka: [^\n]+\n$/)
  }
})

test('a supervised worker ends when whoever started it is gone', async (t) => {
  const server = await FakeServer.start(t)
  const worker = startWorker(t, server.url, ['--supervised'])
  await server.stream(1)
  worker.child.stdin?.destroy()
  assert.deepEqual(await worker.exited, [1, null])
})

function supervise(t: TestContext, server: FakeServer, count: number): { supervisor: Supervisor; deaths: Death[] } {
  const deaths: Death[] = []
  const args = [main, 'work', '--url', server.url, '--batch', '2', '--supervised']
  const supervisor = new Supervisor({ count, args, died: (death) => deaths.push(death) }, realWorld())
  t.after(() => supervisor.stop())
  return { supervisor, deaths }
}

/** One that has ended but that nobody has asked about yet (a zombie) does not count. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

test('a supervisor starts again whoever exits, and leaves nobody behind when it stops', async (t) => {
  const server = await FakeServer.start(t)
  const { supervisor, deaths } = supervise(t, server, 2)
  const first = await server.stream(1)
  await server.stream(2)
  const [one, two] = supervisor.pids
  first.task('fatal', { Period: 950 })
  await server.stream(3)
  assert.deepEqual(
    deaths.map(({ code, signal }) => [code, signal]),
    [[1, null]],
  )
  assert.match(deaths[0]!.lastWords, /Period 950 is over 900: the whole worker ends\n$/)
  const survivor = [one, two].find((pid) => alive(pid!))
  process.kill(survivor!, 'SIGKILL')
  await server.stream(4)
  assert.equal(deaths[1]?.signal, 'SIGKILL')
  const pids = supervisor.pids
  assert.equal(pids.length, 2)
  await supervisor.stop()
  assert.deepEqual(pids.filter(alive), [])
  assert.equal(deaths.length, 2, 'an end that was asked for is no death')
  assert.equal(server.streams.length, 4)
})

test('workers end when the supervising process is killed', async (t) => {
  const server = await FakeServer.start(t)
  const path = new URL('../src/cli/supervisor.ts', import.meta.url).pathname
  const world = new URL('../src/world.ts', import.meta.url).pathname
  const script = `
    import { Supervisor } from ${JSON.stringify(path)}
    import { realWorld } from ${JSON.stringify(world)}
    const args = [${JSON.stringify(main)}, 'work', '--url', ${JSON.stringify(server.url)}, '--supervised']
    const supervisor = new Supervisor({ count: 2, args, died: () => {} }, realWorld())
    console.log(supervisor.pids.join(' '))`
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => parent.kill('SIGKILL'))
  const [line] = await once(parent.stdout, 'data')
  const pids = String(line).trim().split(' ').map(Number)
  await server.stream(2)
  assert.deepEqual(pids.map(alive), [true, true])
  parent.kill('SIGKILL')
  await eventually(() => !pids.some(alive), 'the workers to end')
})

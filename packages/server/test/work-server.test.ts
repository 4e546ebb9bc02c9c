// Goal: workers and a server get every task done, also when the server or a worker goes away in between.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import type { Authorize } from '../src/sessions/auth.ts'
import { eventually } from '../testing/eventually.ts'
import { freePort } from '../testing/free-port.ts'
import { ask, start, temporaryFolder } from '../testing/server.ts'

const main = new URL('../src/main.ts', import.meta.url).pathname

function startWorker(t: TestContext, url: string, flags: readonly string[] = []): () => string {
  const child = spawn(process.execPath, [main, 'work', '--url', url, ...flags], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (piece: Buffer) => {
    output += piece
  })
  return () => output
}

async function addPeriods(url: string, periods: readonly number[]): Promise<string[]> {
  const tasks = periods.map((Period) => ({ payload: { Period } }))
  const { body } = await ask(url, 'POST', '/tasks', tasks)
  return body.tasks.map(({ id }: { id: string }) => id)
}

async function counts(url: string): Promise<Record<string, number>> {
  const { body } = await ask(url, 'GET', '/queues')
  return body.queues.find(({ queue }: { queue: string }) => queue === 'default') ?? {}
}

test('workers get all tasks done, those that fail included, and nothing is refused or run twice', async (t) => {
  const { server } = await start(t, { leaseMs: 60_000 })
  const ids = await addPeriods(
    server.url,
    Array.from({ length: 60 }, (_, i) => (i % 20 === 0 ? 850 : i * 3)),
  )
  const outputs = [startWorker(t, server.url), startWorker(t, server.url, ['--batch', '2'])]
  await eventually(async () => (await counts(server.url)).done === 60, 'all tasks to be done')
  const lines = outputs.flatMap((output) => output().split('\n'))
  for (const id of ids) assert.equal(lines.filter((line) => line.includes(`task ${id} attempt 1 started`)).length, 1)
  assert.equal(lines.filter((line) => line.includes('failed: Period 850 is over 800')).length, 3)
  assert.equal(lines.filter((line) => /refused|attempt 2|not reported|lease lost/.test(line)).length, 0)
})

test('a worker whose server restarts while it works comes back, and what it did is done once', async (t) => {
  const data = await temporaryFolder(t)
  // A report that this server gets is never answered, so that it cannot come before the restart.
  const authorize: Authorize = (_user, action) => action !== 'tasks.report' || new Promise(() => undefined)
  const port = await freePort()
  const { server } = await start(t, { data, port, leaseMs: 60_000 }, { authorize })
  const [id] = await addPeriods(server.url, [700])
  const output = startWorker(t, server.url)
  await eventually(() => output().includes(`task ${id} attempt 1 started`), 'the task to start')
  await server.stop(0)
  await eventually(() => output().includes('not reported'), 'the report to find nobody')
  const again = await start(t, { data, port, leaseMs: 60_000 })
  await eventually(async () => (await counts(again.server.url)).done === 1, 'the report to arrive')
  const [next] = await addPeriods(again.server.url, [5])
  await eventually(() => output().includes(`task ${next} attempt 1 ended`), 'the next task')
  assert.equal(output().includes('attempt 2'), false)
})

test('a task that kills its worker is a dead letter after three attempts, and the worker is told of a lost lease', async (t) => {
  const { server } = await start(t, { leaseMs: 400 })
  const [slow] = await addPeriods(server.url, [800])
  const output = startWorker(t, server.url)
  await eventually(() => output().includes(`task ${slow} attempt 1 lease lost: expired`), 'the lost lease')
  const [fatal] = await addPeriods(server.url, [901])
  for (let n = 1; n <= 5; n++) startWorker(t, server.url)
  await eventually(async () => {
    const { body } = await ask(server.url, 'GET', `/tasks/${fatal}`)
    return body.state === 'dead'
  }, 'the dead letter')
  const { body } = await ask(server.url, 'GET', `/tasks/${fatal}`)
  assert.deepEqual(
    body.attempts.map(({ outcome }: { outcome: string }) => outcome),
    ['expired', 'expired', 'expired'],
  )
})

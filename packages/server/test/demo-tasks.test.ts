// Goal: the demo shows tasks being worked on, workers that die of some of them, and what becomes of those.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { noBrowser, openBrowser } from '../testing/browser.ts'
import { eventually } from '../testing/eventually.ts'
import { ask, start, temporaryFolder } from '../testing/server.ts'

const skip = noBrowser() ?? false
const main = new URL('../src/main.ts', import.meta.url).pathname
const page = new URL('../demo/', import.meta.url)

interface Demo {
  readonly url: string
  readonly output: () => string
  /** SIGINT, as at a keyboard; resolves to the exit code. */
  readonly interrupt: () => Promise<number | null>
  readonly pid: number
}

async function startDemo(t: TestContext, flags: readonly string[]): Promise<Demo> {
  const data = await temporaryFolder(t)
  const args = [main, 'demo', '--port', '0', '--data', data, '--reserve-bytes', '0', '--log-level', 'fatal', ...flags]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  let output = ''
  child.stdout.on('data', (piece: Buffer) => {
    output += piece
  })
  await eventually(() => /listens at \S+\n/.test(output), 'the demo to listen')
  const interrupt = async (): Promise<number | null> => {
    child.kill('SIGINT')
    return (await exited)[0]
  }
  return { url: /listens at (\S+)/.exec(output)![1]!, output: () => output, interrupt, pid: child.pid! }
}

async function defaultQueue(url: string): Promise<Record<string, number>> {
  const { body } = await ask(url, 'GET', '/queues')
  return body.queues.find(({ queue }: { queue: string }) => queue === 'default') ?? {}
}

test('by itself the demo has three workers, and tasks that they do', async (t) => {
  const demo = await startDemo(t, [])
  await eventually(async () => (await defaultQueue(demo.url)).workers === 3, 'three workers')
  await eventually(async () => (await defaultQueue(demo.url)).done! > 3, 'tasks to be done')
  await ask(demo.url, 'POST', '/messages/user', { fromUser: 'bert', toUser: 'ola', message: 'hello' })
  const answered = async (): Promise<boolean> => {
    const { body } = await ask(demo.url, 'GET', '/ws/history?user=bert&with=ola')
    return body.messages.some(({ fromUser }: { fromUser: unknown }) => fromUser === 'ola')
  }
  await eventually(answered, 'ola to answer')
  const { body: pool } = await ask(demo.url, 'POST', '/pools/status', { pool: 'cinema' })
  assert.deepEqual([pool.total, pool.free], [24, 24])
  assert.deepEqual((await ask(demo.url, 'POST', '/requests/quote', { payload: {} })).body, { result: { price: 8 } })
  assert.equal(await demo.interrupt(), 0)
})

test('without a generator, by flag, nothing is made', async (t) => {
  const demo = await startDemo(t, ['--generate', ''])
  await ask(demo.url, 'POST', '/tasks', { payload: { Period: 900 } })
  await eventually(async () => (await defaultQueue(demo.url)).done === 1, 'the only task to be done')
  const { body } = await ask(demo.url, 'GET', '/tasks')
  assert.equal(body.tasks.length, 1)
})

test('a task that kills its workers is a dead letter after three attempts, and the console stays readable', async (t) => {
  const demo = await startDemo(t, ['--lease-ms', '4000', '--generate', '{"rate":0.001,"backlog":1}'])
  const { body } = await ask(demo.url, 'POST', '/tasks', { payload: { Period: 901 } })
  const [{ id }] = body.tasks
  const task = async () => (await ask(demo.url, 'GET', `/tasks/${id}`)).body
  await eventually(async () => (await task()).state === 'dead', 'the dead letter')
  const { attempts } = await task()
  assert.deepEqual(
    attempts.map(({ outcome }: { outcome: string }) => outcome),
    ['expired', 'expired', 'expired'],
  )
  assert.equal(new Set(attempts.map(({ worker }: { worker: string }) => worker)).size, 3)
  await eventually(async () => (await defaultQueue(demo.url)).workers === 3, 'all workers to be back')
  const lines = demo.output().trimEnd().split('\n')
  assert.equal(lines.length, 3, demo.output())
  assert.match(lines[2]!, /^worker \d ended \(code 1: Period 901 is over 900\) and is started again/)
  const children = `/proc/${demo.pid}/task/${demo.pid}/children`
  const pids = existsSync(children) ? readFileSync(children, 'utf8').trim().split(' ') : []
  assert.equal(await demo.interrupt(), 0)
  assert.deepEqual(
    pids.filter((pid) => existsSync(`/proc/${pid}`)),
    [],
  )
})

test('the page counts the tasks of every queue and shows dead letters, which can be tried again', {
  skip,
}, async (t) => {
  const { server, ask: request } = await start(t, {}, { page })
  const browser = await openBrowser(t)
  const tab = await browser.page(`${server.url}/?user=anna`)
  const errors: string[] = []
  tab.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())))
  const whenEmpty = await tab.evaluate("getComputedStyle(document.querySelector('#dead'), '::after').content")
  assert.match(String(whenEmpty), /No dead letters yet/)
  const tasks = [{ payload: { Period: 950 } }, { payload: { note: '<img src=x onerror="document.title=1">' } }]
  const { body } = await request('POST', '/tasks', [
    ...tasks,
    { payload: {}, delay: 60_000 },
    { payload: {}, queue: 'mail' },
  ])
  const [first, second] = body.tasks.map(({ id }: { id: string }) => id)
  await tab.locator('#queues tr', { hasText: /^default21000/ }).waitFor()
  await tab.locator('#queues tr', { hasText: /^mail10000/ }).waitFor()
  await request('POST', `/tasks/${first}/bury`, { reason: 'its worker died' })
  await request('POST', `/tasks/${second}/bury`, {})
  await tab.locator('#dead li', { hasText: first }).waitFor()
  await tab.locator('#dead li', { hasText: '<img src=x' }).waitFor()
  assert.equal(await tab.locator('#dead img').count(), 0)
  await tab.locator('#queues td.dead', { hasText: '2' }).waitFor()
  await tab.getByLabel(`Retry ${first}`).click()
  await tab.locator('#dead li', { hasText: first }).waitFor({ state: 'detached' })
  assert.equal((await request('GET', `/tasks/${first}`)).body.state, 'ready')
  await tab.locator('#dead li', { hasText: second }).waitFor()
  assert.deepEqual(errors, [])
})

test('the page shows the latest of many dead letters, and earlier ones when those are gone', { skip }, async (t) => {
  const { server, ask: request } = await start(t, {}, { page })
  const add = async (count: number): Promise<string[]> => {
    const tasks = Array.from({ length: count }, (_, n) => ({ payload: { n }, maxAttempts: 1 }))
    const ids: string[] = (await request('POST', '/tasks', tasks)).body.tasks.map(({ id }: { id: string }) => id)
    for (let at = 0; at < ids.length; at += 50) {
      await Promise.all(ids.slice(at, at + 50).map((id) => request('POST', `/tasks/${id}/bury`, {})))
    }
    return ids
  }
  const ids = await add(503)
  const browser = await openBrowser(t)
  const tab = await browser.page(`${server.url}/?user=anna`)
  await tab.locator('#dead li', { hasText: ids.at(-1)! }).waitFor()
  assert.equal(await tab.locator('#dead li').count(), 12)
  for (const id of ids.slice(-5)) await request('DELETE', `/tasks/dead/${id}`)
  await tab.locator('#dead li', { hasText: ids.at(-1)! }).waitFor({ state: 'detached' })
  await tab.locator('#dead li', { hasText: ids.at(-6)! }).waitFor()
  assert.equal(await tab.locator('#dead li').count(), 12)
})

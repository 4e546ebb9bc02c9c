// nitka bench as a process of its own. What it measures depends on the machine; that it measures, ends and cleans up does not.

import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { eventually, startPatience } from '../testing/eventually.ts'
import { runProcess, startCommand } from '../testing/process.ts'
import { start, temporaryFolder } from '../testing/server.ts'

test('every service is measured on a server of its own, which is gone afterwards', async (t) => {
  const folder = await temporaryFolder(t)
  const args = ['bench', '--clients', '3', '--seconds', '1', '--in', folder, '--json']
  const bench = startCommand(t, args)
  await eventually(async () => (await readdir(folder)).length === 1, 'the folder of its server', startPatience)
  assert.equal(await bench.exited, 0, bench.errors())
  const { server, shared, clients, results } = JSON.parse(bench.output())
  assert.deepEqual([server, shared, clients], ['own', true, 3])
  const measured = results.map(({ subject }: { subject: string }) => subject)
  assert.deepEqual(measured, ['relay', 'rooms', 'direct', 'tasks', 'requests'])
  for (const { subject, messages, deliveries, errors, latencyMs, seconds, serverBytes } of results) {
    assert.ok(messages > 0 && deliveries > 0 && serverBytes > 0 && seconds >= 1, subject)
    assert.equal(errors, 0, subject)
    const { p50, p99, max } = latencyMs
    assert.ok(p50 > 0 && p50 <= p99 && p99 <= max, subject)
  }
  assert.deepEqual(await readdir(folder), [])
})

test('a running server is measured with --url, its queue is left empty, and Ctrl-C ends it with what there is', async (t) => {
  const { server, ask } = await start(t)
  const args = ['bench', 'tasks', '--clients', '3', '--seconds', '300', '--url', server.url]
  const bench = startCommand(t, args)
  await eventually(async () => (await server.tasks.queues()).length === 1, 'the queue', startPatience)
  await eventually(
    async () => (await server.tasks.list({ state: 'done', limit: 1 })).tasks.length > 0,
    'tasks that are done',
  )
  bench.child.kill('SIGINT')
  assert.equal(await bench.exited, 0, bench.errors())
  assert.match(bench.output(), /^service +messages\/s +deliveries\/s +p50 ms.*\ntasks +[\d,]+ +[\d,]+ /)
  assert.match(bench.errors(), /Server and clients shared this machine.*Limits of that server hold/)
  const { body } = await ask('GET', '/queues')
  const [queue] = body.queues
  assert.deepEqual([queue.ready, queue.leased, queue.delayed, queue.dead], [0, 0, 0, 0])
})

test('a bench that is killed leaves no server and no folder behind', async (t) => {
  const folder = await temporaryFolder(t)
  const bench = startCommand(t, ['bench', 'requests', '--seconds', '300', '--in', folder])
  await eventually(async () => (await readdir(folder)).length === 1, 'the folder of its server', startPatience)
  await bench.kill()
  await eventually(async () => (await readdir(folder)).length === 0, 'the folder is gone', startPatience)
})

test('what cannot be measured is one line', async (t) => {
  const wrong: [string[], number, RegExp][] = [
    [['pools'], 2, /pools is no service; there are relay, rooms, direct, tasks, requests/],
    [['rooms', '--clients', '1'], 2, /--clients must be .* 2 to 1000, not 1/],
    [['rooms', '--clients', '1001'], 2, /--clients must be/],
    [['rooms', '--seconds', '301'], 2, /--seconds must be .* 1 to 300, not 301/],
    [['rooms', '--size', 'x'], 2, /--size must be .* 64 to 60000, not x/],
    [['rooms', '--url', 'http://127.0.0.1:1'], 1, /http:\/\/127\.0\.0\.1:1/],
    [['rooms', '--in', '/nowhere/at/all'], 1, /own server did not start: .*ENOENT/],
  ]
  const ends = await Promise.all(wrong.map(([args]) => runProcess(t, ['bench', ...args])))
  for (const [i, { code, output, errors }] of ends.entries()) {
    assert.deepEqual([code, output], [wrong[i]![1], ''], errors)
    assert.match(errors, wrong[i]![2])
    assert.match(errors, /^nitka: [^\n]+\n$/)
  }
})

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../testing/eventually.ts'
import { runProcess, startProcess } from '../testing/process.ts'
import { ask, temporaryFolder } from '../testing/server.ts'

test('executors come from a module, are read again on SIGHUP, and a module that is broken changes nothing', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'executors.mjs')
  writeFileSync(file, 'export default { version: () => 1, slow: { run: () => new Promise(() => {}), concurrency: 2 } }')
  const { url, child, errors } = await startProcess(t, join(folder, 'data'), ['--executors', file])
  const version = async () => (await ask(url, 'POST', '/requests/version', { payload: null })).body.result
  assert.equal(await version(), 1)
  writeFileSync(file, 'export default { version: () => 2, more: () => "more" }')
  child.kill('SIGHUP')
  await eventually(async () => (await version()) === 2, 'the new version')
  assert.equal((await ask(url, 'POST', '/requests/more', { payload: null })).body.result, 'more')
  assert.equal((await ask(url, 'POST', '/requests/slow', { payload: null })).status, 404)
  for (const broken of ['export default {', 'export default { version: 3 }', 'export const version = 4']) {
    const before = errors().length
    writeFileSync(file, broken)
    child.kill('SIGHUP')
    await eventually(() => /stay as they are/.test(errors().slice(before)), 'the complaint')
    assert.equal(await version(), 2)
  }
  const { code, errors: said } = await runProcess(t, [
    'serve',
    '--port',
    '0',
    '--data',
    join(folder, 'b'),
    '--executors',
    file,
  ])
  assert.equal(code, 1)
  assert.match(said, /nitka: executors .* must export/)
})

test('nitka call asks a request, and nitka pools shows and changes pools', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'executors.mjs')
  writeFileSync(file, 'export default { twice: (n) => n * 2, no: () => { throw new Error("sold out") } }')
  const { url } = await startProcess(t, join(folder, 'data'), ['--executors', file])
  const run = (...args: string[]) => runProcess(t, [...args, '--url', url])
  assert.deepEqual([(await run('call', 'twice', '21')).output, (await run('call', 'twice', '21')).code], ['42\n', 0])
  const failed = await run('call', 'no')
  assert.deepEqual([failed.code, failed.errors], [1, 'nitka: sold out\n'])
  assert.equal((await run('call', 'twice', '{')).code, 2)
  assert.equal((await run('call')).code, 2)
  assert.match((await run('call', 'twice', '{')).errors, /the payload is not JSON/)
  assert.match((await run('pools', 'list')).errors, /there are none/)
  assert.equal((await run('pools', 'add', 'p', 'a', 'b')).output, '2 added to p\n')
  const { hold } = JSON.parse((await run('pools', 'acquire', 'p', '--count', '2', '--ttl', '600000', '--json')).output)
  assert.match((await run('pools', 'list')).output, /^POOL +TOTAL +FREE +HOLDS +WAITING\np +2 +0 +1 +0\n$/)
  assert.match(
    (await run('pools', 'status', 'p')).output,
    new RegExp(`^p: 0 of 2 free, 0 waiting\n\nHOLD.*\n${hold} .* a, b\n$`),
  )
  assert.equal((await run('pools', 'acquire', 'p')).code, 1)
  assert.equal((await run('pools', 'release', hold)).code, 0)
  assert.equal((await run('pools', 'status', 'p')).output, 'p: 2 of 2 free, 0 waiting\n')
  const acquired = await run('pools', 'acquire', 'p', '--ttl', '60000')
  assert.match(acquired.output, /^hold +[0-9a-f]{32}\ntoken +\d+\nuntil +\d{4}-.*Z\nresources +a\n$/)
  assert.equal((await run('pools', 'remove', 'p', 'b', 'x')).output, '1 removed from p\n')
  assert.match((await runProcess(t, ['pools'])).output, /^usage: nitka pools COMMAND/)
  const wrong: [string[], RegExp][] = [
    [['add', 'p'], /usage: nitka pools add POOL RESOURCE…/],
    [['lst', 'p'], /no command pools lst; .*did you mean list\?/],
    [['list', 'p'], /usage: nitka pools list/],
    [['release', 'mine'], /mine is no hold/],
    [['acquire', 'p', '--ttl', '-1'], /--ttl must be a whole number of ms/],
  ]
  for (const [args, told] of wrong) {
    const { code, errors } = await run('pools', ...args)
    assert.deepEqual([code, told.test(errors)], [2, true], errors)
  }
})

test('nitka trace tells the life of a message, and ends with 1 when there is none', async (t) => {
  const { url } = await startProcess(t, await temporaryFolder(t))
  const post = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const body = JSON.stringify({ fromUser: 'ann', toUser: 'bob', message: 'hello' })
  const { id } = (await (await fetch(`${url}/messages/user`, { ...post, body })).json()) as { id: string }
  const { output, code } = await runProcess(t, ['trace', id, '--user', 'bob', '--url', url])
  assert.match(output, /^WHAT +WHEN +WHERE, WHO\nstored +\d{4}-.*Z +user:bob 1, from ann\n$/)
  assert.equal(code, 0)
  const none = await runProcess(t, ['trace', 'nothing', '--room', 'tea', '--url', url])
  assert.deepEqual(
    [none.code, none.output, none.errors],
    [1, '', 'nitka: there is no message nothing in the log of the room tea\n'],
  )
})

test('the port that was chosen must be free, and the length of the queue is printed when that is wished', async (t) => {
  const folder = await temporaryFolder(t)
  const first = await startProcess(t, join(folder, 'a'), ['--socket-port', '0', '--queue-report', '100ms'])
  const port = /over TCP at [\d.]+:(\d+)/.exec(first.output())?.[1] ?? ''
  await eventually(() => /nitka: 0 waiting, 0 running\n/.test(first.output()), 'the report')
  const taken = await runProcess(t, ['serve', '--port', '0', '--data', join(folder, 'b'), '--socket-port', port])
  assert.equal(taken.code, 1)
  assert.match(taken.errors, new RegExp(`^nitka: port ${port} on 127.0.0.1 is in use; .*--socket-port`))
  const wrong = await runProcess(t, ['serve', '--port', '0', '--data', join(folder, 'c'), '--queue-report', 'often'])
  assert.match(wrong.errors, /queue-report must be a time such as 4s/)
  assert.match(
    (await runProcess(t, ['serve', '--socket-host', '0.0.0.0', '--data', join(folder, 'd')])).errors,
    /can be reached from other machines/,
  )
})

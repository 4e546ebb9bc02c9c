// `nitka tasks`: what an operator types, and what comes back.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Ended, runProcess } from '../testing/process.ts'
import { type Started, start } from '../testing/server.ts'

const main = new URL('../src/main.ts', import.meta.url).pathname

type Run = (...args: string[]) => Promise<Ended>

interface Operated extends Started {
  readonly run: Run
  /** Runs it and expects that it worked; gives the lines. */
  readonly lines: (...args: string[]) => Promise<string[]>
  readonly add: (payloads: readonly object[], fields?: object) => Promise<string[]>
}

async function operate(t: TestContext): Promise<Operated> {
  const started = await start(t)
  const run: Run = (...args) => runProcess(t, ['tasks', ...args, '--url', started.server.url])
  const lines = async (...args: string[]): Promise<string[]> => {
    const { code, output, errors } = await run(...args)
    assert.deepEqual([code, errors], [0, ''], args.join(' '))
    return output.split('\n').slice(0, -1)
  }
  const add = async (payloads: readonly object[], fields: object = {}): Promise<string[]> => {
    const { body } = await started.ask(
      'POST',
      '/tasks',
      payloads.map((payload) => ({ payload, ...fields })),
    )
    return body.tasks.map(({ id }: { id: string }) => id)
  }
  return { ...started, run, lines, add }
}

/** With `text` on standard input. */
async function pipe(t: TestContext, url: string, args: readonly string[], text: string): Promise<Ended> {
  const child = spawn(process.execPath, [main, 'tasks', ...args, '--url', url], { stdio: 'pipe' })
  t.after(() => child.kill('SIGKILL'))
  let [output, errors] = ['', '']
  child.stdout.on('data', (piece: Buffer) => {
    output += piece
  })
  child.stderr.on('data', (piece: Buffer) => {
    errors += piece
  })
  child.stdin.end(text)
  const [code] = await once(child, 'close')
  return { code, output, errors }
}

test('a task is added with its options, shown, and found again by its key', async (t) => {
  const { run, lines, ask } = await operate(t)
  const flags = ['--queue', 'mail', '--key', 'k', '--group', 'g', '--priority', '-5', '--delay', '60000']
  const [id] = await lines('add', '{"Period":3}', ...flags)
  const { body } = await ask('GET', `/tasks/${id}`)
  assert.deepEqual([body.payload, body.queue, body.key, body.group], [{ Period: 3 }, 'mail', 'k', 'g'])
  assert.deepEqual([body.priority, body.state], [-5, 'delayed'])
  assert.deepEqual(await lines('add', '{"Period":3}', ...flags), [`${id} (its key was added before)`])
  const [repeated] = await lines('add', '{"Period":3}', ...flags, '--json')
  assert.deepEqual(JSON.parse(repeated!), { id, queue: 'mail', repeated: true })
  const other = await run('add', '{"Period":4}', ...flags)
  assert.deepEqual([other.code, other.output], [1, ''])
  assert.match(other.errors, /^nitka: [^\n]*key[^\n]*\n$/)
  const shown = await lines('show', id!)
  assert.ok(shown.includes('payload      {"Period":3}'), shown.join('\n'))
  assert.deepEqual(JSON.parse((await lines('show', id!, '--json')).join('')), body)
})

test('lines on standard input are added in large pieces, up to the first that is no task', async (t) => {
  const { server, ask } = await operate(t)
  const text = Array.from({ length: 1_201 }, (_, i) => `{"n":${i}}\r\n`).join('\n')
  const all = await pipe(t, server.url, ['add', '--queue', 'bulk'], text)
  assert.deepEqual([all.code, all.errors, all.output.split('\n').length], [0, '', 1_202])
  const wide = Array.from({ length: 40 }, () => JSON.stringify({ text: 'x'.repeat(60_000) })).join('\n')
  assert.equal((await pipe(t, server.url, ['add', '-', '--queue', 'wide'], wide)).code, 0)
  const { body } = await ask('GET', '/queues')
  assert.deepEqual(
    body.queues.map(({ queue, ready }: { queue: string; ready: number }) => [queue, ready]),
    [
      ['bulk', 1_201],
      ['wide', 40],
    ],
  )
  const broken = await pipe(t, server.url, ['add'], `${'{}\n'.repeat(700)}{"a":\n{}\n`)
  assert.deepEqual(
    [broken.code, broken.errors, broken.output.split('\n').length],
    [1, 'nitka: line 701 is refused: not JSON; added before that: 500\n', 501],
  )
  assert.equal((await pipe(t, server.url, ['add'], '[1]\n')).code, 1)
  assert.equal((await pipe(t, server.url, ['add', '--key', 'k'], '{}\n')).code, 2)
})

test('a list goes through all pages, and stops where it is told to', async (t) => {
  const { lines, add } = await operate(t)
  const ids = await add(Array.from({ length: 1_000 }, (_, n) => ({ n })))
  ids.push(...(await add(Array.from({ length: 201 }, (_, n) => ({ n })))))
  await add([{}], { queue: 'other' })
  const json = await lines('list', '--queue', 'default', '--json')
  assert.deepEqual(
    json.map((line) => JSON.parse(line).id),
    ids,
  )
  const table = await lines('list', '--queue', 'default', '--state', 'ready')
  assert.match(table[0]!, /^ID +QUEUE +STATE +FAILED +ADDED +PAYLOAD$/)
  assert.deepEqual(
    table.slice(1).map((line) => line.slice(0, 20)),
    ids,
  )
  assert.match(table[1]!, /^\w{20} {2}default {2}ready {2}0 of 3 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}\{"n":0\}$/)
  assert.equal((await lines('list', '--limit', '700')).length, 701)
})

test('dead letters are listed with what became of them, tried again, and removed', async (t) => {
  const { run, lines, add, ask } = await operate(t)
  const ids = await add([{ Period: 1 }, { Period: 2 }, { Period: 3 }])
  const [other] = await add([{ Period: 4 }], { queue: 'other' })
  const buried = await lines('bury', ...ids, other!, '--reason', 'made by \u001b]0;x\u0007hand')
  assert.deepEqual(buried[0], `${ids[0]} is a dead letter`)
  const { output } = await run('dead', '--queue', 'default')
  assert.equal([...output].filter((one) => one < ' ' && one !== '\n').length, 0)
  assert.match(output, /^ID +QUEUE +ATTEMPTS +ENDED +LAST ATTEMPT +WORKER +PAYLOAD\n/)
  assert.equal(output.split('\n').length, 5)
  assert.deepEqual(await lines('retry', ids[0]!), [`${ids[0]} is ready again`])
  const twice = await run('retry', ids[0]!, ids[1]!)
  assert.deepEqual([twice.code, twice.output], [1, `${ids[1]} is ready again\n`])
  assert.match(twice.errors, new RegExp(`^nitka: ${ids[0]}: [^\\n]+\\n$`))
  assert.deepEqual(await lines('drop', ids[2]!, '--json'), [JSON.stringify({ id: ids[2], done: 'drop' })])
  assert.equal((await ask('GET', `/tasks/${ids[2]}`)).status, 404)
  assert.deepEqual(await lines('retry', '--all', '--queue', 'other'), ['1 dead letter is ready again'])
  await lines('bury', ids[0]!, ids[1]!)
  assert.deepEqual(await lines('drop', '--all', '--yes'), ['2 dead letters are removed'])
  const none = await run('dead')
  assert.deepEqual([none.code, none.output, none.errors], [0, '', 'nitka: there are none\n'])
})

test('a queue is counted, paused, resumed and purged', async (t) => {
  const { lines, add, ask, run } = await operate(t)
  await add([{}, {}], { queue: 'mail' })
  await add([{}], { queue: 'mail', delay: 60_000 })
  assert.deepEqual(await lines('pause', 'mail'), ['mail is paused'])
  const [titles, row] = await lines('queues')
  assert.match(titles!, /^QUEUE +READY +DELAYED +LEASED +DONE +DONE\/MIN +DEAD +WORKERS +FREE +OLDEST READY +NOTE$/)
  assert.match(row!, /^mail +2 +1 +0 +0 +0 +0 +0 +0 +\S+ \S+Z +paused$/)
  const { body } = await ask('GET', '/queues')
  assert.deepEqual(JSON.parse((await lines('queues', '--json'))[0]!), body.queues[0])
  assert.deepEqual(await lines('resume', 'mail'), ['mail hands out tasks'])
  const unasked = await run('purge', 'mail')
  assert.deepEqual([unasked.code, unasked.output], [2, ''])
  assert.equal((await run('drop', '--all')).code, 2)
  assert.deepEqual(await lines('purge', 'mail', '--yes', '--json'), ['{"purged":3}'])
})

test('wrong usage is one line and code 2; a refusal and a server that is not there are one line and code 1', async (t) => {
  const { run } = await operate(t)
  const wrong = [['fly'], ['show'], ['retry'], ['retry', 'a', '--all'], ['drop', 'a', '--queue', 'q'], ['list', 'a']]
  wrong.push(['list', '--state', 'loud'], ['list', '--limit', '0'], ['list', '--queue'], ['list', '--json=no'])
  wrong.push(['add', '{'], ['add', '[]'], ['add', '{}', '--delay', 'soon'], ['queues', '--state', 'dead'])
  for (const [i, { code, errors, output }] of (await Promise.all(wrong.map((args) => run(...args)))).entries()) {
    assert.deepEqual([code, output], [2, ''], wrong[i]!.join(' '))
    assert.match(errors, /^nitka: [^\n]+\n$/, wrong[i]!.join(' '))
  }
  const refused = [
    ['show', 'nope'],
    ['add', '{"Id":1}'],
    ['add', '{}', '--priority', '9999'],
    ['pause', 'a b'],
  ]
  for (const [i, { code, errors, output }] of (await Promise.all(refused.map((args) => run(...args)))).entries()) {
    assert.deepEqual([code, output], [1, ''], refused[i]!.join(' '))
    assert.match(errors, /^nitka: [^\n]+\n$/, refused[i]!.join(' '))
  }
  const away = await runProcess(t, ['tasks', 'retry', 'a', 'b', '--url', 'http://127.0.0.1:9'])
  assert.deepEqual(
    [away.code, away.errors],
    [1, 'nitka: no server answers at http://127.0.0.1:9; start one with `nitka serve`\n'],
  )
  assert.match((await runProcess(t, ['tasks', 'help'])).output, /nitka tasks purge QUEUE \[--yes\]\n/)
})

test('what a foreign server says cannot move the cursor, turn the writing, or crash the command', async (t) => {
  const evil = 'a\u001b[2J\u009b31m\u202eb\u0000c\nd'
  let answer: unknown
  const server = createServer((_request, response) => {
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const run = (...args: string[]) => runProcess(t, ['tasks', ...args, '--url', url])
  const task = { id: evil, queue: evil, state: evil, payload: { evil }, time: evil, attempts: [{ worker: evil }, 7] }
  answer = { tasks: [task, null, 'x'], next: null, queues: [{ queue: evil, ready: evil }], [evil]: evil }
  for (const args of [['list'], ['dead'], ['queues'], ['show', 'x'], ['list', '--json'], ['show', 'x', '--json']]) {
    const { code, output, errors } = await run(...args)
    assert.deepEqual([code, errors], [0, ''], args.join(' '))
    assert.doesNotMatch(output, /[^\P{Cc}\n]|\u202e/u, args.join(' '))
  }
  assert.equal(JSON.parse((await run('list', '--json')).output).id, evil)
  for (answer of ['<html>', '', 'null', '[]', '{"tasks":7,"next":7}', '{"tasks":[],"next":"same"}']) {
    const { code, output } = await run('list')
    assert.deepEqual([code === 0 || code === 1, output], [true, ''])
  }
})

const noTerminal = existsSync('/usr/bin/script') ? false : 'there is no /usr/bin/script to make a terminal'

test('at a terminal what cannot be undone is asked for first', { skip: noTerminal }, async (t) => {
  const { server, add, ask } = await operate(t)
  await add([{}], { queue: 'mail' })
  const type = async (typed: string): Promise<Ended> => {
    const command = [process.execPath, main, 'tasks', 'purge', 'mail', '--url', server.url].join(' ')
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] })
    t.after(() => child.kill('SIGKILL'))
    let output = ''
    child.stdout.on('data', (piece: Buffer) => {
      output += piece
      if (/to go on: /.test(output) && typed !== '') child.stdin.write(typed)
      if (/to go on: /.test(output)) typed = ''
    })
    const [code] = await once(child, 'close')
    return { code, output, errors: '' }
  }
  for (const typed of ['yes\n', 'mai\n', '\n', '\u0004', '\u0003']) {
    const { code, output } = await type(typed)
    assert.equal(code, 1, JSON.stringify(typed))
    assert.match(output, /Type mail to go on: .*nothing was done/s)
  }
  assert.equal((await ask('GET', '/queues')).body.queues[0].ready, 1)
  assert.match((await type('mail\n')).output, /1 task is removed/)
})

// nitka chat as a process of its own, through pipes and at a terminal.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { eventually, startPatience } from '../testing/eventually.ts'
import { freePort } from '../testing/free-port.ts'
import { type CommandProcess, runProcess, startCommand, startProcess } from '../testing/process.ts'
import { start, temporaryFolder } from '../testing/server.ts'

function chat(t: TestContext, url: string, user: string, ...flags: string[]): CommandProcess {
  return startCommand(t, ['chat', 'tea', '--user', user, '--url', url, ...flags])
}

test('through a pipe each line is sent, and it ends with the input once all is confirmed and shown', async (t) => {
  const { server, ask } = await start(t)
  const ann = chat(t, server.url, 'ann', '--create')
  const lines = Array.from({ length: 500 }, (_, i) => `line ${i}`)
  ann.child.stdin?.end(`${lines.join('\n')}\n\n/who`)
  assert.equal(await ann.exited, 0, ann.errors())
  const said = ann.output().matchAll(/^\d\d:\d\d ann: (.*)$/gm)
  assert.deepEqual(
    [...said].map(([, text]) => text),
    [...lines, '/who'],
  )
  assert.match(ann.errors(), /^\* you are ann in tea; here: ann\n$/)
  const { body } = await ask('GET', '/rooms/tea/messages?user=ann&limit=500')
  assert.equal(body.messages.at(-1).offset, 501)
})

test('--json is an event a line: the past, who is here, who comes and goes, what is said', async (t) => {
  const { server, ask } = await start(t)
  await ask('POST', '/rooms?user=ann', { id: 'tea', name: 'Tea', open: true })
  for (const message of ['one', 'two', { three: 3 }]) await ask('POST', '/rooms/tea/messages?user=ann', { message })
  const bob = chat(t, server.url, 'bob', '--json', '--history', '2')
  const events = (): { event: string; [field: string]: unknown }[] =>
    bob
      .output()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  await eventually(() => events().length === 3, 'the past', startPatience)
  assert.deepEqual(
    events().map(({ event, message, present }) => [event, message ?? present]),
    [
      ['message', 'two'],
      ['message', { three: 3 }],
      ['joined', ['bob']],
    ],
  )
  const ann = chat(t, server.url, 'ann', '--history', '0')
  ann.child.stdin?.end('hello\u001b[31m\n')
  assert.equal(await ann.exited, 0)
  await eventually(() => events().length === 6, 'all of it', startPatience)
  const seen = events()
    .slice(3)
    .map(({ event, online, message }) => [event, online ?? message])
  assert.deepEqual(seen, [
    ['presence', true],
    ['message', 'hello\u001b[31m'],
    ['presence', false],
  ])
  assert.match(ann.output(), /ann: hello \[31m\n$/)
  bob.child.kill('SIGINT')
  assert.deepEqual([await bob.exited, bob.errors()], [0, ''])
})

test('a lost connection is told, comes back, and what was written meanwhile is sent once', async (t) => {
  const folder = await temporaryFolder(t)
  const port = ['--port', String(await freePort())]
  const first = await startProcess(t, join(folder, 'data'), port)
  const ann = chat(t, first.url, 'ann', '--create')
  ann.write('before\n')
  await eventually(() => /ann: before/.test(ann.output()), 'the first message', startPatience)
  await first.kill()
  await eventually(() => /connection lost/.test(ann.errors()), 'the loss is told')
  ann.write('meanwhile\n')
  const second = await startProcess(t, join(folder, 'data'), port)
  assert.equal(second.url, first.url)
  await eventually(() => /ann: meanwhile/.test(ann.output()), 'what was written without a connection', startPatience)
  ann.child.stdin?.end()
  assert.equal(await ann.exited, 0)
  assert.equal(ann.output().match(/meanwhile/g)?.length, 1)
  assert.equal(ann.errors().match(/connection lost/g)?.length, 1)
  assert.match(ann.errors(), /connected again/)
})

test('what goes wrong is one line: no server, no room, no name, a message that is refused', async (t) => {
  const { server, ask } = await start(t)
  await ask('POST', '/rooms?user=ann', { id: 'closed', name: 'Closed' })
  const wrong: [string[], number, RegExp][] = [
    [['tea', '--user', 'ann', '--url', server.url], 1, /no room tea; --create makes it/],
    [['closed', '--user', 'eve', '--url', server.url], 1, /no member of closed/],
    [['tea', '--user', 'ann', '--url', 'http://127.0.0.1:1'], 1, /no server answers at http:\/\/127\.0\.0\.1:1,/],
    [['tea', '--url', server.url], 2, /say who you are/],
    [['tea', '--user', 'ann', '--history', '501'], 2, /--history must be .* 0 to 500, not 501/],
    [['--user', 'ann'], 2, /usage: nitka chat ROOM/],
  ]
  const ends = await Promise.all(wrong.map(([args]) => runProcess(t, ['chat', ...args])))
  for (const [i, { code, output, errors }] of ends.entries()) {
    assert.deepEqual([code, output], [wrong[i]![1], ''], errors)
    assert.match(errors, wrong[i]![2])
    assert.match(errors, /^nitka: [^\n]+\n$/)
  }
  const ann = chat(t, server.url, 'ann', '--create')
  ann.child.stdin?.end(`${'x'.repeat(70_000)}\nfine\n`)
  assert.equal(await ann.exited, 1)
  assert.match(ann.errors(), /not sent, message is 70000 bytes.*: x{60}…\n/)
  assert.match(ann.output(), /ann: fine\n$/)
})

const noTerminal = existsSync('/usr/bin/script') ? false : 'there is no /usr/bin/script to make a terminal'

test('at a terminal what comes is written above the line that is typed, which stays', {
  skip: noTerminal,
}, async (t) => {
  const { server } = await start(t)
  const args = ['chat', 'tea', '--user', 'ann', '--create', '--url', server.url]
  const ann = startCommand(t, args, true)
  const plain = (): string => stripVTControlCharacters(ann.output()).replaceAll('\r', '')
  await eventually(() => /\/help lists/.test(plain()), 'the greeting', startPatience)
  ann.write('half of')
  await eventually(() => /half of$/.test(plain()), 'what is typed')
  const bob = chat(t, server.url, 'bob', '--history', '0')
  bob.child.stdin?.end('hi ann\n')
  assert.equal(await bob.exited, 0)
  await eventually(() => /bob left\n> half of$/.test(plain()), 'the line is back', startPatience)
  assert.match(plain(), /\* bob came\n> half of\d\d:\d\d bob: hi ann\n> half of\* bob left\n> half of$/)
  ann.write(' it\r')
  await eventually(async () => (await server.rooms.history('ann', 'tea', {})).entries.length === 2, 'it is stored')
  ann.write('/who\r')
  await eventually(() => /\* here: ann\n/.test(plain()), 'who is here')
  ann.write('//slash\r')
  await eventually(async () => (await server.rooms.history('ann', 'tea', {})).entries.length === 3, 'it is stored')
  ann.write('/wo\r')
  await eventually(() => /\/wo is not understood\n/.test(plain()), 'what is wrong')
  assert.ok(!/ann: half of it/.test(plain()), 'the own line is not shown twice')
  ann.write('\u0003')
  assert.equal(await ann.exited, 0)
})

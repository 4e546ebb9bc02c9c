// The command line as a whole: help, completion, exit codes, JSON for scripts.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { commands } from '../src/cli/commands.ts'
import { options } from '../src/options.ts'
import { runProcess } from '../testing/process.ts'
import { start, temporaryFolder } from '../testing/server.ts'

const main = new URL('../src/main.ts', import.meta.url).pathname

async function output(t: TestContext, ...args: string[]): Promise<string> {
  const { code, output, errors } = await runProcess(t, args)
  assert.deepEqual([code, errors], [0, ''], args.join(' '))
  return output
}

test('help is short and names every command; a command says what it takes, and how it ends', async (t) => {
  const overview = await output(t, 'help')
  assert.ok(overview.split('\n').length < 50)
  for (const { name, summary } of commands) assert.ok(overview.includes(`${name} `) && overview.includes(summary), name)
  assert.equal(await output(t, '--help'), overview)
  const all = await Promise.all(commands.map(({ name }) => output(t, 'help', name)))
  for (const [i, { name, flags, examples }] of commands.entries()) {
    assert.match(all[i]!, new RegExp(`^usage: nitka ${name}\\b`))
    for (const flag of flags) assert.ok(all[i]!.includes(`--${flag.name}`), `${name} --${flag.name}`)
    for (const line of examples) assert.ok(all[i]!.includes(`  nitka ${line}\n`), line)
    assert.match(all[i]!, /\nExit codes\n {2}0 +done\n/)
  }
  assert.equal(await output(t, 'trace', 'x', '--help'), all[commands.findIndex(({ name }) => name === 'trace')])
  const add = await output(t, 'tasks', 'add', '-h')
  assert.match(add, /^usage: nitka tasks add \[PAYLOAD\]/)
  assert.match(add, /--priority N/)
  assert.match(await output(t, 'help', 'pools', 'acquire'), /--wait MS/)
  const list = await output(t, 'help', 'options')
  for (const { doc } of Object.values(options)) assert.ok(list.includes(doc), doc)
  assert.ok(!all.some((text) => text.includes(options.bookingsPerPool.doc)))
  assert.match(await output(t, '--version'), /^nitka \d+\.\d+\.\d+, Node \d+/)
})

test('the guide has a row for every command', async () => {
  const guide = await readFile(new URL('../../../docs/guide/command-line.md', import.meta.url), 'utf8')
  for (const { name } of commands) assert.match(guide, new RegExp(`^\\| \`nitka ${name}[ \`]`, 'm'), name)
})

test('what is misspelt is told with the nearest that there is, and code 2', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['sreve'], /no command sreve; .*did you mean serve\?/],
    [['help', 'pols'], /no command pols; .*did you mean pools\?/],
    [['help', 'tasks', 'lst'], /no command tasks lst; .*did you mean tasks list\?/],
    [['tasks', 'lst'], /no command tasks lst; .*did you mean list\?/],
    [['check', '--jsn'], /--jsn is not an option; did you mean --json\?/],
    [['tasks', 'list', '--stat', 'dead'], /--stat is not an option; did you mean --state\?/],
    [['config', '--prot', '1'], /--prot is not an option; did you mean --port\?/],
    [['trace', 'id'], /usage: nitka trace/],
    [['completion', 'tcsh'], /usage: nitka completion bash\|zsh\|fish/],
    [['version', 'please'], /please is no flag/],
  ]
  const ends = await Promise.all(wrong.map(([args]) => runProcess(t, args)))
  for (const [i, { code, output, errors }] of ends.entries()) {
    assert.deepEqual([code, output], [2, ''], wrong[i]![0].join(' '))
    assert.match(errors, wrong[i]![1])
    assert.match(errors, /^nitka: [^\n]+\n$/)
  }
})

test('a check of a folder without a store says so, and makes none', async (t) => {
  const folder = await temporaryFolder(t)
  const { code, errors } = await runProcess(t, ['check', '--data', folder])
  assert.deepEqual([code, errors], [1, `nitka: there is no store in ${folder}; name its folder with --data\n`])
  assert.deepEqual(await readdir(folder), [])
})

test('--json is JSON alone on standard output, and colours are for those who want them', async (t) => {
  const { server, dataDir, ask } = await start(t)
  const sent = await ask('POST', '/messages/user', { fromUser: 'ann', toUser: 'bob', message: 'hello' })
  const url = ['--url', server.url, '--json']
  const traced = JSON.parse(await output(t, 'trace', sent.body.id, '--user', 'bob', ...url))
  assert.equal(traced.stored.offset, 1)
  assert.deepEqual(JSON.parse(await output(t, 'pools', 'list', ...url)).pools, [])
  assert.equal(JSON.parse(await output(t, 'config', '--port', '77', '--json')).port, 77)
  assert.match(await output(t, 'config', '--port', '77'), /^port +NITKA_PORT +--port +77$/m)
  assert.ok(JSON.parse(await output(t, 'version', '--json')).nitka)
  const used = await runProcess(t, ['check', '--data', dataDir, '--json'])
  assert.equal(used.code, 1)
  const { whole, problem } = JSON.parse(used.output)
  assert.deepEqual([whole, used.errors], [false, `nitka: ${problem}\n`])
  await server.stop(0)
  assert.equal(JSON.parse(await output(t, 'check', '--data', dataDir, '--json')).whole, true)
  const coloured = await runProcess(t, ['help'], { FORCE_COLOR: '1' })
  assert.ok(coloured.output.includes('\u001b[1m'))
  assert.ok(!(await output(t, 'help')).includes('\u001b'))
})

const noTerminal = existsSync('/usr/bin/script') ? false : 'there is no /usr/bin/script to make a terminal'

test('a terminal gets colours, unless NO_COLOR says otherwise', { skip: noTerminal }, async () => {
  const shown = async (environment: Readonly<Record<string, string>>): Promise<string> => {
    const {
      // Node takes a continuous integration that it does not know for a terminal without colours.
      CI: _ci,
      FORCE_COLOR: _force,
      NO_COLOR: _no,
      ...env
    } = { ...process.env, TERM: 'xterm-256color' } as NodeJS.ProcessEnv
    const args = ['-qec', `${process.execPath} ${main} help`, '/dev/null']
    return (await promisify(execFile)('/usr/bin/script', args, { env: { ...env, ...environment } })).stdout
  }
  assert.ok((await shown({})).includes('\u001b[1m'))
  assert.ok(!(await shown({ NO_COLOR: '1' })).includes('\u001b['))
})

const noBash = existsSync('/bin/bash') ? false : 'there is no /bin/bash'

test('bash completes commands, commands in them, flags and their values', { skip: noBash }, async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'nitka.bash'), await output(t, 'completion', 'bash'))
  await mkdir(join(folder, 'with space'))
  await mkdir(join(folder, 'other'))
  const complete = async (...words: string[]): Promise<string[]> => {
    const script = `set -u; source ./nitka.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nitka; printf '%s\\n' "\${COMPREPLY[@]}"`
    const args = ['--norc', '-c', script, 'bash', 'nitka', ...words]
    const { stdout, stderr } = await promisify(execFile)('/bin/bash', args, { cwd: folder })
    assert.equal(stderr, '')
    return stdout.split('\n').filter((line) => line !== '')
  }
  assert.deepEqual(
    await complete(''),
    commands.map(({ name }) => name),
  )
  assert.deepEqual(await complete('co'), ['config', 'completion'])
  assert.deepEqual(await complete('tasks', 'p'), ['pause', 'purge'])
  assert.deepEqual(await complete('tasks', 'list', '--st'), ['--state'])
  assert.deepEqual(await complete('tasks', 'list', '--state', 'd'), ['delayed', 'done', 'dead'])
  assert.deepEqual(await complete('tasks', 'list', '--state', '=', 'le'), ['leased'])
  assert.deepEqual(await complete('tasks', 'list', '--queue', ''), [])
  assert.deepEqual(await complete('tasks', 'pause', '--st'), [])
  assert.deepEqual(await complete('serve', '--socket-p'), ['--socket-port'])
  assert.deepEqual(await complete('serve', '--durability', ''), ['disk', 'relaxed'])
  assert.deepEqual((await complete('check', '--data', '')).sort(), ['other', 'with space'])
  assert.deepEqual(await complete('serve', '--config', 'nit'), ['nitka.bash'])
  assert.deepEqual(await complete('help', 'opt'), ['options'])
  assert.deepEqual(await complete('completion', ''), ['bash', 'zsh', 'fish'])
  for (const shell of ['zsh', 'fish']) assert.match(await output(t, 'completion', shell), /state/)
})

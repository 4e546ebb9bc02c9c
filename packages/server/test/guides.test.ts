// The commands of the guides, typed as they stand: each one prints what its guide says.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Server } from '../src/index.ts'
import { eventually } from '../testing/eventually.ts'
import { start, temporaryFolder } from '../testing/server.ts'

const guides = new URL('../../../docs/guide/', import.meta.url)

/** What starts a server, which the test has already, and what somebody types into a chat. */
const left = /npx nitka (serve|chat)/

/** What is in the blocks of a language. */
async function blocks(guide: string, language: string): Promise<string[]> {
  const text = await readFile(new URL(guide, guides), 'utf8')
  const found = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  return found.filter(([, is]) => is === language).map(([, , code = '']) => code)
}

/** The commands of a guide: lines, unless a quotation or a backslash goes on to the next one. */
async function commands(guide: string): Promise<string[]> {
  const all: string[] = []
  let begun = ''
  for (const line of (await blocks(guide, 'sh')).join('').split('\n')) {
    begun += (begun === '' ? '' : '\n') + line
    const open = (begun.match(/'/g) ?? []).length % 2 === 1 || begun.endsWith('\\')
    if (open || begun === '') continue
    if (!left.test(begun)) all.push(begun)
    begun = ''
  }
  return all
}

/** A reader at a terminal, with a server that has ports of its own. */
class Terminal {
  readonly #t: TestContext
  readonly #server: Server
  /** Functions of the shell, for the commands that follow. */
  #functions = ''

  constructor(t: TestContext, server: Server) {
    this.#t = t
    this.#server = server
  }

  /** Types a command. One that goes on is left running; it has connected when this resolves. Gives what it has printed. */
  async type(command: string): Promise<() => string> {
    const before = this.#server.registry.size
    if (/^\w+\(\) \{/.test(command)) this.#functions += `${command}\n`
    const text = this.#here(this.#functions + command)
    const bash = spawn('bash', ['-c', text], { detached: true })
    this.#t.after(() => {
      if (bash.exitCode === null && bash.signalCode === null) process.kill(-(bash.pid as number), 'SIGKILL')
    })
    let printed = ''
    bash.stdout.on('data', (piece: Buffer) => {
      printed += piece
    })
    const ended = once(bash, 'close').then(() => true)
    const goesOn = /new WebSocket|curl -N/.test(command)
    await (goesOn ? eventually(() => this.#server.registry.size > before, `a connection of: ${command}`) : ended)
    return () => printed
  }

  #here(command: string): string {
    const { host } = new URL(this.#server.url)
    return command
      .replaceAll(/\b(localhost|127\.0\.0\.1):8080\b/g, host)
      .replaceAll('127.0.0.1 41969', `127.0.0.1 ${this.#server.socketPort}`)
      .replaceAll('npx node', `'${process.execPath}'`)
  }
}

/** Types a guide; each command prints, sooner or later, what is expected of it. */
async function follow(
  t: TestContext,
  guide: string,
  server: Server,
  expected: readonly RegExp[],
  typed: (command: string) => Promise<string> = async (command) => command,
): Promise<void> {
  const list = await commands(guide)
  assert.equal(list.length, expected.length, `the commands of ${guide}:\n${list.join('\n')}`)
  const terminal = new Terminal(t, server)
  const printed: (() => string)[] = []
  for (const command of list) printed.push(await terminal.type(await typed(command)))
  for (const [i, said] of printed.entries()) {
    const what = expected[i] as RegExp
    await eventually(() => what.test(said()), `${what} of: ${list[i]}`).catch((error) => {
      throw new Error(`${error.message}\n\nit printed: ${said()}`)
    })
  }
}

const nothing = /^$/

test('direct messages', async (t) => {
  const { server } = await start(t)
  await follow(t, 'direct.md', server, [
    /ok/,
    /"fromUser":"anna","toUser":"bert","message":"are you there\?"/,
    /"message":"are you there\?"/,
    /"repeated":false/,
  ])
})

test('the relay', async (t) => {
  const { server } = await start(t)
  await follow(t, 'relay.md', server, [/^one \d+$/m, nothing])
})

test('rooms', async (t) => {
  const { server } = await start(t)
  await follow(t, 'rooms.md', server, [
    /"id":"tea","name":"Tea","open":true/,
    /^\{"offset":1,.*"from":"ann","message":"who is in\?".*"clientId":"1"\}$/m,
    /"offset":1/,
    /"messages":\[\{"offset":1/,
    nothing,
    /"recovered":true.*"members":\["ann","bert"\]/,
  ])
})

test('tasks', async (t) => {
  const { server } = await start(t, { leaseMs: 60_000 })
  const known = async (command: string): Promise<string> => {
    const [task] = (await server.tasks.list({ limit: 1 })).tasks
    return command.replace('dc0fdpco37donb9rn4dg', task?.id ?? '')
  }
  await follow(
    t,
    'tasks.md',
    server,
    [
      /^id: \S+\ndata: \{"Id":"\S+","Period":417,"Attempt":1,"Token":"1\.1","Deadline":"[^"]+"\}$/m,
      /"id":"/,
      /^\{"done":1,"unknown":0/,
      /\{"tasks":\[\],"next":null\}/,
      /"code":"not-found"/,
      /"code":"not-found"/,
    ],
    known,
  )
})

test('requests and pools', async (t) => {
  const { server } = await start(t)
  const [module = ''] = await blocks('requests.md', 'js')
  const file = join(await temporaryFolder(t), 'executors.mjs')
  await writeFile(file, module)
  const { default: executors } = await import(pathToFileURL(file).href)
  server.requests.handle('getProxy', executors.getProxy)
  await follow(t, 'requests.md', server, [
    /^\{"type":"getProxy","queryIndex":3,"resultJob":\{"proxy":"10\.0\.0\.7:3128","for":\{"site":"a"\}\}\}$/m,
    nothing,
    /\{"added":3\}/,
    /"pool":"proxies","token":\d+.*"resources":\[\{"id":"a"\},\{"id":"b"\}\]/,
  ])
})

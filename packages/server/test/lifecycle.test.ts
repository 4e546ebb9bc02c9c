// Servers as processes: how they start, refuse to start, and leave.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, readdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer as createSocketServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Client } from '../testing/client.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually, startPatience } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { runProcess, type ServerProcess, type ShellProcess, startInShell, startProcess } from '../testing/process.ts'
import { ask, connect, start, temporaryFolder } from '../testing/server.ts'

const protocols = ['nitka.rpc.v1']

/** Sends a signal and waits until the process says that it heard it. */
async function signal(server: ServerProcess, name: NodeJS.Signals): Promise<void> {
  server.child.kill(name)
  await eventually(() => server.errors().includes(`${name}, draining`), 'the drain to begin')
}

function oneLine(text: string): string {
  assert.match(text, /^nitka: [^\n]+\n$/, 'one line for a person')
  return text
}

test('a server that stops is first not ready, then takes nobody new, and sends its clients away one by one', async (t) => {
  const clock = new SimulatedClock()
  const wishes = { drainMs: 2_000, preStopMs: 600 }
  const { server, connect: open, ask } = await start(t, wishes, { world: stillWorld(clock) })
  const rpc = await Promise.all([open('/ws?user=ann', { protocols }), open('/ws?user=bert', { protocols })])
  const plain = await Promise.all(Array.from({ length: 6 }, () => open('/relay')))

  const stopped = server.stop()
  const ready = await ask('GET', '/readyz')
  assert.deepEqual([ready.status, ready.body.reason], [503, 'draining'])
  assert.equal((await ask('GET', '/healthz')).status, 200)
  const late = await open('/relay')
  plain[0]?.send('still working')
  assert.deepEqual(await late.take(1), ['still working'], 'a client that came before the balancer looked is served')

  const leftAt: number[] = []
  for (const session of server.registry.sessions) session.onClose(() => leftAt.push(clock.monotonic()))
  await clock.pass(600)
  await assert.rejects(open('/relay'), /^Error: 503 .*"code":"draining"/)
  const refused = await ask('POST', '/rooms?user=ann', { name: 'Tea' })
  assert.deepEqual([refused.status, refused.body.code], [503, 'draining'])
  assert.equal((await ask('GET', '/readyz')).status, 503)

  for (const client of rpc) {
    const { method, params } = await client.json()
    assert.equal(method, 'session.drain')
    assert.ok(Number.isInteger(params.after) && params.after >= 0 && params.after < 2_000)
  }
  await clock.pass(1_999)
  for (const client of [...rpc, ...plain, late]) assert.equal((await client.closed).code, 1012)
  await stopped
  assert.equal(new Set(leftAt).size, 9, 'each at its own moment')
  assert.ok(leftAt.at(-1)! - leftAt[0]! > 800, 'spread over the window')
})

test('on SIGTERM a server says so, sends its clients away and ends well', async (t) => {
  const server = await startProcess(t, await temporaryFolder(t), ['--drain-ms', '2000', '--pre-stop-ms', '100'])
  const client = await connect(t, server.url, '/relay')
  await signal(server, 'SIGTERM')
  assert.ok([1001, 1012].includes((await client.closed).code))
  assert.equal(await server.exited, 0)
  assert.equal(server.errors(), 'nitka: SIGTERM, draining for up to 2 s; once more to end now\n')
})

test('a second signal ends a server at once, and somebody at the keyboard does not wait for the drain', async (t) => {
  // Who waited for this drain would not be done before the test is given up.
  const drain = ['--drain-ms', '600000']
  const impatient = await startProcess(t, await temporaryFolder(t), drain)
  await Promise.all(Array.from({ length: 3 }, () => connect(t, impatient.url, '/relay')))
  await signal(impatient, 'SIGTERM')
  impatient.child.kill('SIGTERM')
  assert.equal(await impatient.exited, 1)

  const interrupted = await startProcess(t, await temporaryFolder(t), drain)
  const clients = await Promise.all(Array.from({ length: 3 }, () => connect(t, interrupted.url, '/relay')))
  await signal(interrupted, 'SIGINT')
  assert.equal(await interrupted.exited, 0)
  for (const client of clients) assert.ok([1001, 1012].includes((await client.closed).code))
})

test('what npm started ends when npm is ended, which tells nobody but its shell', async (t) => {
  const started = async (command?: string): Promise<ShellProcess & { url: string }> => {
    const shell = startInShell(t, ['serve', '--port', '0', '--data', await temporaryFolder(t)], command)
    const address = (): string | undefined => /listens at (\S+)/.exec(shell.said())?.[1]
    await eventually(() => address() !== undefined, 'the server to listen', startPatience)
    return { ...shell, url: address() ?? '' }
  }
  const byNpm = await started('exec')
  const byItself = await started()
  for (const { shell } of [byNpm, byItself]) shell.kill('SIGTERM')
  await once(byNpm.shell, 'close')
  assert.match(byNpm.said(), /SIGTERM, draining/)
  await assert.rejects(fetch(`${byNpm.url}/healthz`))
  assert.equal((await fetch(`${byItself.url}/healthz`)).status, 200)
})

test('a client that neither reads nor answers the goodbye does not keep a server from ending', async (t) => {
  const server = await startProcess(t, await temporaryFolder(t), ['--drain-ms', '500'])
  const [stuck, sender] = await Promise.all([connect(t, server.url, '/relay'), connect(t, server.url, '/relay')])
  stuck.pause()
  for (let i = 0; i < 300; i++) sender.send(Buffer.alloc(60_000))
  await signal(server, 'SIGTERM')
  assert.equal(await server.exited, 0)
})

test('what was confirmed before and during a SIGTERM under load is there after the restart, and nothing unconfirmed', async (t) => {
  const data = await temporaryFolder(t)
  const server = await startProcess(t, data, ['--drain-ms', '8000', '--unanswered', '16'])
  const users = ['ann', 'bert', 'carl', 'dora']
  const oks = new Map<string, number>()
  let busy = 0
  const load = users.map(async (user) => {
    const client = await connect(t, server.url, `/ws?user=${user}`)
    let open = true
    void client.closed.then(() => {
      open = false
    })
    for (let n = 0; open; n++) {
      client.send({ fromUser: user, toUser: 'nobody', message: `${user} ${n}`, id: `${user} ${n}` })
      while (open && n - client.arrived.length > 100) await new Promise((resolve) => setImmediate(resolve))
      if (n === 150) busy++
    }
    assert.equal((await client.closed).code, 1012)
    assert.ok(client.arrived.every((answer) => answer === 'ok'))
    oks.set(user, client.arrived.length)
  })
  await eventually(() => busy === users.length, 'everybody to have sent, and been answered')
  await signal(server, 'SIGTERM')
  await Promise.all(load)
  assert.equal(await server.exited, 0)

  const again = await startProcess(t, data)
  for (const user of users) {
    const stored = await historyOf(again.url, user)
    const confirmed = Array.from({ length: oks.get(user) ?? 0 }, (_, n) => `${user} ${n}`)
    assert.deepEqual(stored, confirmed, user)
    assert.ok(stored.length > 20, `${user} sent ${stored.length}`)
  }
})

async function historyOf(url: string, user: string): Promise<string[]> {
  const messages: string[] = []
  for (let after: number | null = 0; after !== null; ) {
    const { status, body } = await ask(url, 'GET', `/ws/history?user=${user}&after=${after}&limit=500`)
    assert.equal(status, 200, JSON.stringify(body))
    messages.push(...body.messages.map(({ message }: { message: string }) => message))
    after = body.next
  }
  return messages
}

test('a port in use is one clear line, and the store is as it was', async (t) => {
  const data = await temporaryFolder(t)
  const first = await startProcess(t, data)
  await confirmed(await connect(t, first.url, '/ws?user=ann'))
  first.child.kill('SIGTERM')
  assert.equal(await first.exited, 0)

  const other = createSocketServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as AddressInfo
  const { code, errors, output } = await runProcess(t, ['serve', '--port', `${port}`, '--data', data])
  assert.deepEqual([code, output], [1, ''])
  assert.match(oneLine(errors), new RegExp(`port ${port} .* in use.* --port`))

  const again = await startProcess(t, data)
  assert.deepEqual(await historyOf(again.url, 'ann'), ['kept'])
})

test('a folder that another server has open is refused in one line, and the other server notices nothing', async (t) => {
  const data = await temporaryFolder(t)
  const first = await startProcess(t, data)
  const ann = await connect(t, first.url, '/ws?user=ann')
  await confirmed(ann)
  const seconds = ['serve', 'check'].map((command) => runProcess(t, [command, '--port', '0', '--data', data]))
  for (const { code, errors } of await Promise.all(seconds)) {
    assert.equal(code, 1)
    assert.ok(oneLine(errors).includes(data), errors)
  }
  await confirmed(ann)
  await first.kill()
  const again = await startProcess(t, data)
  assert.deepEqual(await historyOf(again.url, 'ann'), ['kept', 'kept'])
})

test('a data folder that cannot be one is refused in one line that names it', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'file')
  await writeFile(file, 'not a folder')
  for (const data of [file, join(file, 'below')]) {
    const { code, errors } = await runProcess(t, ['serve', '--port', '0', '--data', data])
    assert.equal(code, 1)
    assert.ok(oneLine(errors).includes(data), errors)
  }
})

const isRoot = process.getuid?.() === 0 && 'the superuser may write everywhere'
test('a data folder that may not be written is refused in one line that names it', { skip: isRoot }, async (t) => {
  const folder = await temporaryFolder(t)
  await chmod(folder, 0o500)
  t.after(() => chmod(folder, 0o700).catch(() => undefined)) // It may be removed by now.
  const { code, errors } = await runProcess(t, ['serve', '--port', '0', '--data', folder])
  assert.equal(code, 1)
  assert.ok(oneLine(errors).includes(folder), errors)
})

test('without authentication a server is not opened to other machines by accident', async (t) => {
  const data = await temporaryFolder(t)
  const serve = ['serve', '--host', '0.0.0.0', '--port', '0', '--data', data]
  const refused = await Promise.all([
    runProcess(t, serve),
    runProcess(t, [...serve, '--allow-open=false']),
    runProcess(t, [...serve, '--no-allow-open']),
    runProcess(t, [...serve, '--allow-open', 'false']),
    runProcess(t, serve, { NITKA_ALLOW_OPEN: '' }),
  ])
  for (const { code, errors } of refused) {
    assert.ok(code === 1 || code === 2)
    oneLine(errors)
  }
  assert.match(refused[0]!.errors, /0\.0\.0\.0.*--allow-open/)
  assert.deepEqual(await readdir(data), [], 'nothing was opened')
  const meant = await startProcess(t, data, ['--host', '0.0.0.0', '--allow-open'])
  assert.equal((await ask(meant.url, 'GET', '/readyz')).status, 200)
})

test('what is wrong with the options is told in one line, all of it, with the names that may be meant', async (t) => {
  const data = await temporaryFolder(t)
  const { code, errors } = await runProcess(
    t,
    ['serve', '--data', data, '--prot', '9000', '--rate=-1', '--log-level', 'loud'],
    { NITKA_PULSE: '3' },
  )
  assert.equal(code, 2)
  oneLine(errors)
  for (const part of [
    '--prot is not an option; did you mean --port?',
    '--rate must be',
    '--log-level must be one of',
  ]) {
    assert.ok(errors.includes(part), `${part} in ${errors}`)
  }
  assert.ok(errors.includes('NITKA_PULSE is not an option; did you mean NITKA_PULSE_MS?'))
  const twice = await runProcess(t, ['serve', '--port', '1', '--port', '2'])
  assert.match(oneLine(twice.errors), /--port is given more than once/)
  const stray = await runProcess(t, ['serve', '9000', '--data', data, '--port', '0'])
  assert.equal(stray.code, 2)
  assert.match(oneLine(stray.errors), /9000/)
  assert.deepEqual(await readdir(data), [])
})

test('a command that is none is told so', async (t) => {
  const names = ['sreve', '__proto__', 'constructor']
  for (const [i, { code, errors }] of (await Promise.all(names.map((name) => runProcess(t, [name])))).entries()) {
    const name = names[i]!
    assert.equal(code, 2)
    assert.ok(oneLine(errors).includes(name))
  }
  const { code, output } = await runProcess(t, [])
  assert.equal(code, 0)
  assert.match(output, /nitka serve/)
})

/** A message that is on disk. */
async function confirmed(client: Client): Promise<void> {
  client.send({ fromUser: 'ann', toUser: 'bert', message: 'kept' })
  assert.deepEqual(await client.take(1), ['ok'])
}

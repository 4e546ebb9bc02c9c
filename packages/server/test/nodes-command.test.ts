// `nitka serve --nodes N`: several nodes that share a port, as processes.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { noCluster, startCluster } from '../testing/cluster.ts'
import { eventually, startPatience } from '../testing/eventually.ts'
import { freePort } from '../testing/free-port.ts'
import { runProcess, startInShell, startProcess } from '../testing/process.ts'
import { ask, connect, temporaryFolder } from '../testing/server.ts'

const skip = noCluster() ?? false

function childrenOf(pid: number | undefined): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      // pid (name) state parent
      const parent = /\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'latin1'))?.[1]
      return Number(parent) === pid ? [Number(name)] : []
    } catch {
      // It ended meanwhile.
      return []
    }
  })
}

async function flagsOf(t: TestContext, count: number): Promise<string[]> {
  const cluster = await startCluster(t)
  const ports = ['--port', String(await freePort()), '--socket-port', String(await freePort())]
  return ['--nodes', String(count), ...ports, '--postgres-url', cluster.url, '--nats-url', cluster.nats.url]
}

test('nodes share the ports, are one cluster, are started again when they end, and end together', {
  skip,
}, async (t) => {
  const server = await startProcess(t, await temporaryFolder(t), await flagsOf(t, 3))
  await eventually(() => /nitka runs 3 nodes/.test(server.output()), 'all nodes listen', startPatience)
  assert.equal(childrenOf(server.child.pid).length, 3)
  assert.equal((await ask(server.url, 'POST', '/rooms?user=u0', { id: 'tea', name: 'Tea', open: true })).status, 201)
  const users = Array.from({ length: 24 }, (_, i) => i)
  const clients = await Promise.all(users.map((i) => connect(t, server.url, `/rooms/tea/ws?user=u${i}`)))
  const present = async () => (await ask(server.url, 'GET', '/rooms/tea/presence?user=u0')).body.presence
  await eventually(async () => (await present()).length === users.length, 'everybody is there')
  clients[0]?.send({ message: 'hi' })
  for (const client of clients) assert.equal((await client.json()).message, 'hi')
  const [victim = 0] = childrenOf(server.child.pid)
  process.kill(victim, 'SIGKILL')
  await eventually(() => /started again/.test(server.errors()), 'it is told', startPatience)
  await eventually(() => childrenOf(server.child.pid).length === 3, 'there are three again', startPatience)
  await eventually(async () => (await ask(server.url, 'GET', '/readyz')).status === 200, 'it is ready')
  const nodes = childrenOf(server.child.pid)
  server.child.kill('SIGINT')
  assert.equal(await server.exited, 0)
  for (const pid of nodes) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

test('nodes that npm started end with it, too', { skip }, async (t) => {
  const { shell, said } = startInShell(t, ['serve', ...(await flagsOf(t, 2))], 'exec')
  await eventually(() => /nitka runs 2 nodes/.test(said()), 'all nodes listen', startPatience)
  shell.kill('SIGTERM')
  await once(shell, 'close')
  assert.match(said(), /SIGTERM, 2 nodes are draining/)
})

test('a first start that fails is told once, and the command ends with its code', { skip }, async (t) => {
  const { url, nats } = await startCluster(t)
  const ports = ['--port', String(await freePort()), '--socket-port', String(await freePort())]
  const where = ['--postgres-url', url.replace('nitka@', 'nobody@'), '--nats-url', nats.url]
  const { code, errors } = await runProcess(t, ['serve', '--nodes', '2', ...ports, ...where])
  assert.equal(code, 1)
  assert.match(errors, /cannot use Postgres at 127\.0\.0\.1/)
})

test('what several nodes cannot do is refused with the reason', async (t) => {
  const both = ['--postgres-url', 'postgres://a', '--nats-url', 'nats://a']
  const cases: [string[], RegExp][] = [
    [['--nodes', '2'], /need the cluster engine/],
    [['--nodes', '0'], /from 1 to 256/],
    [['--nodes', 'many'], /from 1 to 256/],
    [['--nodes', '2', '--port', '0', ...both], /must not be 0/],
    [['--nodes', '2', '--socket-host', '/tmp/nitka.sock', ...both], /cannot share a Unix socket/],
  ]
  for (const [flags, says] of cases) {
    const { code, errors } = await runProcess(t, ['serve', ...flags])
    assert.equal(code, 2, flags.join(' '))
    assert.match(errors, says)
  }
})

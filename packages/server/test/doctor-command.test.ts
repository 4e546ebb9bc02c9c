// `nitka doctor`: what it finds, what it says to do, how it ends.

import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Finding } from '../src/cli/doctor/finding.ts'
import { dotEnvFindings, environmentFindings } from '../src/cli/doctor/settings.ts'
import { noNats, TestNats } from '../testing/nats.ts'
import { noPostgres, TestPostgres } from '../testing/postgres.ts'
import { runProcess, startProcess } from '../testing/process.ts'
import { temporaryFolder } from '../testing/server.ts'
import { openStoreIn } from '../testing/store-folder.ts'

async function examine(t: TestContext, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { code, output, errors } = await runProcess(t, ['doctor', '--json', '--port', '0', ...args], environment)
  assert.equal(errors, '')
  const { ok, findings } = JSON.parse(output) as { ok: boolean; findings: Finding[] }
  assert.equal(code, ok ? 0 : 1)
  assert.equal(
    ok,
    findings.every(({ state }) => state !== 'fail'),
  )
  for (const { state, todo, says } of findings) assert.equal(todo === undefined, state === 'ok', says)
  const of = (check: string) => findings.filter((one) => one.check === check)
  return { ok, findings, of }
}

test('where nothing is yet, everything that a server needs is looked at and nothing is made', async (t) => {
  const folder = await temporaryFolder(t)
  const { findings, of, ok } = await examine(t, ['--data', join(folder, 'a', 'b'), '--reserve-bytes', '1'])
  assert.ok(ok)
  const checks = ['Node', 'options', 'data', 'disk', 'sync', 'store', 'HTTP port', 'TCP port', 'open files', 'memory']
  for (const check of [...checks, 'clock']) assert.equal(of(check).length, 1, check)
  assert.match(of('store')[0]!.says, /none yet/)
  assert.deepEqual(await readdir(folder), [])
  assert.ok(findings.every(({ says }) => !says.includes('\n')))
  const { code, output } = await runProcess(t, ['doctor', '--port', '0', '--data', folder, '--reserve-bytes', '1'])
  assert.equal(code, 0)
  assert.match(output, /^ok {4}Node +24\./)
  assert.match(output, /\n\d+ ok, \d+ to look at, 0 failed\n$/)
})

test('a store is said to be whole, damaged, or in use by the server that runs there', async (t) => {
  const data = await temporaryFolder(t)
  const server = await startProcess(t, data)
  const { port } = new URL(server.url)
  const running = await examine(t, ['--data', data, '--port', port].slice(0, 2))
  assert.deepEqual([running.of('store')[0]!.state, running.ok], ['warn', true])
  const { output, code } = await runProcess(t, ['doctor', '--data', data, '--port', port, '--reserve-bytes', '1'])
  assert.equal(code, 0)
  assert.match(output, /HTTP port +127\.0\.0\.1:\d+: nitka \d\S+ runs there, and is ready/)
  assert.match(output, /store +in use by the server that runs/)
  await server.kill()
  assert.deepEqual((await examine(t, ['--data', data])).of('store')[0], { check: 'store', state: 'ok', says: 'whole' })
  await writeFile(join(data, 'committed'), 'nonsense')
  const broken = await examine(t, ['--data', data])
  assert.deepEqual([broken.ok, broken.of('store')[0]!.state], [false, 'fail'])
  assert.match(broken.of('store')[0]!.says, /committed is damaged/)
})

test('a port of somebody else, a folder that is none, and too little room are failures with what to do', async (t) => {
  const folder = await temporaryFolder(t)
  const other = createServer((_request, response) => response.end('{"status":"ok"}')).listen(0, '127.0.0.1')
  t.after(() => other.close())
  await new Promise((resolve) => other.once('listening', resolve))
  const { port } = other.address() as AddressInfo
  const taken = await runProcess(t, ['doctor', '--json', '--data', folder, '--port', `${port}`])
  assert.equal(taken.code, 1)
  assert.match(taken.output, /is taken by another program/)
  const socket = await examine(t, ['--data', folder, '--socket-port', `${port}`])
  assert.deepEqual([socket.of('TCP port')[0]!.state, socket.ok], ['fail', false])
  assert.equal((await examine(t, ['--data', folder, '--socket-host', '192.0.2.7', '--allow-open'])).ok, false)
  await writeFile(join(folder, 'file'), '')
  const file = await examine(t, ['--data', join(folder, 'file')])
  assert.match(file.of('data')[0]!.says, /is no folder/)
  const full = await examine(t, ['--data', folder, '--reserve-bytes', `${2 ** 40}`])
  assert.match(full.of('disk')[0]!.says, /disk almost full/)
})

test('options that are rarely meant are told, those that cannot be are failures', async (t) => {
  const data = await temporaryFolder(t)
  const open = await examine(t, ['--data', data, '--host', '0.0.0.0'])
  assert.match(open.of('options')[0]!.says, /0\.0\.0\.0 .*refuses to start/)
  const risky = ['--durability', 'relaxed', '--reserve-bytes', '0', '--accept-loss', '--origins', '*']
  const { ok, of } = await examine(t, ['--data', data, '--host', '0.0.0.0', '--allow-open', ...risky])
  assert.deepEqual([ok, of('options').length], [true, 5])
  assert.equal((await examine(t, ['--data', data, '--socket-cert', 'x'])).of('options').length, 2)
  const few = await examine(t, ['--data', data, '--connections', '10000000', '--outbox-total-bytes', '0'])
  assert.deepEqual([few.of('open files')[0]!.state, few.of('memory')[0]!.state], ['warn', 'warn'])
  const names = { NITKA_PROT: '1', NITKA_NATS_URL: 'nats://a', NITKA_RATE: 'much', NITKA_BURST: '7' }
  const wrong = await examine(t, ['--data', data], names)
  const said = wrong.of('environment').map(({ says }) => says)
  assert.equal(said.length, 3)
  assert.ok(said.some((text) => /NITKA_PROT is not an option; did you mean NITKA_PORT/.test(text)))
  assert.ok(said.some((text) => /postgresUrl and natsUrl belong together/.test(text)))
  assert.equal((await runProcess(t, ['doctor', '--prot', '1'])).code, 2)
})

test('names in .env that nobody reads are told, names of other programs are not', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, '.env')
  await writeFile(file, '# ours\nNITKA_PORT=1\nDATABASE_URL=x\nNTIKA_PORT=2\nnitka_port=3\nwhat is this\n')
  assert.deepEqual(
    dotEnvFindings(file).map(({ says }) => says),
    [
      'line 4: NTIKA_PORT is not an option; did you mean NITKA_PORT?',
      'line 5: nitka_port is not read',
      'line 6 is not read',
    ],
  )
  assert.deepEqual(dotEnvFindings(join(folder, 'none')), [])
  const { findings, usable } = environmentFindings({ NITKA_X: '1', NITKA_PORT: '5', HOME: '/' })
  assert.deepEqual([findings.length, usable], [1, { NITKA_PORT: '5', HOME: '/' }])
})

test('what an import left behind, and a folder that everybody may read, are told', async (t) => {
  const data = await temporaryFolder(t)
  const engine = await openStoreIn(data)
  await engine.close()
  await chmod(data, 0o755)
  assert.match((await examine(t, ['--data', data])).of('data')[0]!.says, /every user/)
  await chmod(data, 0o700)
  await mkdir(join(data, '.importing'))
  assert.match((await examine(t, ['--data', data])).of('data')[0]!.says, /import .* did not end/)
})

test('of a cluster it looks at Postgres and NATS instead of a folder', {
  skip: noPostgres() ?? noNats(),
}, async (t) => {
  const [postgres, nats] = await Promise.all([TestPostgres.start(t), TestNats.start(t)])
  const where = ['--postgres-url', await postgres.database(), '--nats-url', nats.url]
  const there = await examine(t, where)
  assert.ok(there.ok)
  assert.match(there.of('Postgres')[0]!.says, /^version 1\d, without a schema/)
  assert.equal(there.of('NATS').length + there.of('connections').length + there.of('clocks').length, 3)
  // The one that tests start does not sync.
  assert.match(there.of('durability')[0]!.says, /fsync is off/)
  assert.deepEqual([there.of('data'), there.of('store')], [[], []])
  await Promise.all([postgres.kill(), nats.kill()])
  const gone = await examine(t, where)
  assert.deepEqual([gone.ok, gone.of('Postgres')[0]!.state, gone.of('NATS')[0]!.state], [false, 'fail', 'fail'])
})

// `nitka move`: what an embedded store held, a cluster goes on with, as if nothing had happened.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import postgres from 'postgres'
import { openCluster } from '../src/engines/cluster/engine.ts'
import { openDisk } from '../src/engines/embedded/disk.ts'
import { key, logBytes, ordered, spaces } from '../src/engines/embedded/keys.ts'
import type { Engine } from '../src/engines/engine.ts'
import type { LogName } from '../src/log/log-store.ts'
import { judge } from '../src/log/recovery.ts'
import { realWorld } from '../src/world.ts'
import { eventually } from '../testing/eventually.ts'
import { contents, fullStore, logs } from '../testing/full-store.ts'
import { noNats, TestNats } from '../testing/nats.ts'
import { noPostgres, TestPostgres } from '../testing/postgres.ts'
import { runProcess, startProcess } from '../testing/process.ts'
import { ask } from '../testing/server.ts'
import { openStoreIn } from '../testing/store-folder.ts'

const main = new URL('../src/main.ts', import.meta.url).pathname
const skip = noPostgres() ?? noNats() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined
const nats = skip === false ? await TestNats.start({ after }) : undefined

async function newDatabase(t: TestContext) {
  const url = (await server?.database()) ?? ''
  return { url, sql: newConnection(t, url) }
}

function newConnection(t: TestContext, url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  t.after(() => sql.end({ timeout: 1 }))
  return sql
}

async function openNode(t: TestContext, url: string): Promise<Engine> {
  const engine = await openCluster({
    ...{ world: realWorld(), postgresUrl: url, natsUrl: nats?.url ?? '', connectionsMax: 4, statementMs: 10_000 },
    ...{ dedupeWindowMs: 86_400_000, sweepMs: 2_000, queueTasks: 0, doneMs: 3_600_000, readyWithoutBus: false },
    ...{ version: '1.0.0', onWarning: () => undefined, onError: () => undefined },
  })
  t.after(() => engine.close())
  return engine
}

async function moved(t: TestContext, data: string, url: string, ...more: string[]) {
  const { code, output, errors } = await runProcess(t, ['move', '--to', url, '--data', data, '--json', ...more])
  assert.deepEqual([code, errors], [0, ''])
  return JSON.parse(output)
}

async function refused(t: TestContext, message: RegExp, ...args: string[]): Promise<void> {
  const { code, output, errors } = await runProcess(t, ['move', ...args])
  assert.deepEqual([code, output], [1, ''], errors)
  assert.match(errors, message)
  assert.match(errors, /^nitka: [^\n]+\n$/)
}

test('everything that the store told, a node of the cluster tells: logs, positions, rooms, tasks, pools', {
  skip,
}, async (t) => {
  const { data, before, token, states } = await fullStore(t, 2_000)
  const { url } = await newDatabase(t)
  const summary = await moved(t, data, url)
  assert.ok(summary.counts.entry > 5_000 && summary.counts.task > 1_000 && summary.counts.log === 6)
  assert.deepEqual([summary.same, summary.before], [true, 0])
  const startedAt = realWorld().clock.now()
  const node = await openNode(t, url)
  const now = await contents(node)
  assert.deepEqual(now.histories, before.histories)
  assert.deepEqual(now.rooms, before.rooms)
  const byId = (pools: typeof now.pools) => [...pools].sort((a, b) => (a.kind + a.id < b.kind + b.id ? -1 : 1))
  assert.deepEqual(byId(now.pools), byId(before.pools))
  assert.deepEqual(await node.logs.states(logs), states, 'the epoch is that of the store')
  const timeless = (tasks: typeof now.tasks) =>
    tasks.map(({ until, ...task }) => (task.state === 'leased' ? task : { ...task, until }))
  assert.deepEqual(timeless(now.tasks), timeless(before.tasks))
  const leased = now.tasks.filter(({ state }) => state === 'leased')
  assert.ok(leased.length > 5)
  for (const { until, leaseMs } of leased) assert.ok((until ?? 0) >= startedAt + leaseMs, 'a lease has its full length')
  const counted = (list: typeof now.queues) =>
    list.map(({ donePerMinute: _minute, oldestReady: _oldest, ...known }) => known)
  assert.deepEqual(counted(now.queues), counted(before.queues))
  assert.ok((await node.pools.tokens(1)) > token + 10_000, 'numbers that fence go on above the old ones')
})

test('who was connected resumes: a position is still true, a repeat is known, a lease is reported', {
  skip,
}, async (t) => {
  const { data, before, states } = await fullStore(t, 100)
  const { url } = await newDatabase(t)
  await moved(t, data, url)
  const node = await openNode(t, url)
  const bo = before.histories.find(({ log }) => log.id === 'bo')!
  const [, entry] = bo.entries
  assert.equal(await node.logs.find(bo.log, entry!.id), entry!.offset)
  const { epoch } = states.find((_, i) => logs[i]!.id === 'bo')!
  const since = { epoch, offset: entry!.offset, id: entry!.id }
  const page = await node.logs.read(bo.log, { after: since.offset - 1, limit: 500 })
  assert.deepEqual(judge(since, page), { recovery: { recovered: true }, from: since.offset })
  assert.deepEqual(page.entries, bo.entries.slice(1))
  assert.equal(judge({ ...since, epoch: 'other' }, page).recovery.recovered, false)
  const first = { ...entry!, log: bo.log, counts: true }
  const other = { ...first, log: { kind: 'user', id: 'ann' } as const, thread: 'u:bo', id: 'new', time: 1 }
  const again = { entries: [{ ...first, id: 'new', time: 1 }, other], clientId: 'direct 1' }
  const [repeat] = await node.logs.append([again])
  assert.deepEqual([repeat!.repeated, repeat!.id, repeat!.offsets[0]], [true, entry!.id, entry!.offset])
  const changed = again.entries.map((one) => ({ ...one, body: '"changed"' }))
  await assert.rejects(node.logs.append([{ ...again, entries: changed }]), { code: 'conflict' })
  const fresh = await node.logs.append([{ entries: [{ ...first, id: 'newer', time: 2 }], clientId: 'fresh' }])
  assert.deepEqual(fresh[0]!.offsets, [bo.known.head + 1])

  const keyed = before.tasks.find(({ key }) => key === 'k3')!
  assert.deepEqual(await node.tasks.add([{ ...keyed, id: before.tasks[0]!.id }]), [{ id: keyed.id, repeated: true }])
  const of = (state: string) => before.tasks.find((task) => task.queue === 'work' && task.state === state)!
  const reported = await node.tasks.report([
    { id: of('leased').id, worker: 'ann#1', outcome: 'done' },
    { id: of('done').id, outcome: 'done' },
    { id: of('dead').id, outcome: 'failed' },
  ])
  assert.deepEqual(reported.outcomes, ['done', 'already', 'dead'])
})

test('tasks are handed out in the order in which the store would have', { skip }, async (t) => {
  const { folder, data, before } = await fullStore(t, 400)
  const { url } = await newDatabase(t)
  await moved(t, data, url)
  const node = await openNode(t, url)
  const copy = join(folder, 'copy')
  cpSync(data, copy, { recursive: true })
  const old = await openStoreIn(copy)
  t.after(() => old.close())
  /** By group: whose turn it is among groups may begin anew. */
  const order = async ({ tasks }: Engine, queue: string) => {
    await tasks.configure(queue, { paused: false, ordered: false, groupConcurrency: 0 })
    const lines: Record<string, string[]> = {}
    for (;;) {
      const leases = await tasks.claim(queue, 'w', 1_000)
      if (leases.length === 0) return lines
      for (const { task } of leases) lines[task.group ?? ''] = [...(lines[task.group ?? ''] ?? []), task.id]
    }
  }
  for (const queue of ['mail', 'quiet', 'work']) {
    const expected = await order(old, queue)
    assert.ok(Object.values(expected).flat().length > 10)
    assert.deepEqual(await order(node, queue), expected)
  }
  // One that comes now waits behind those that were there.
  const later = before.tasks.find(({ queue }) => queue === 'later')!
  assert.equal((await node.tasks.get(later.id))!.state, 'delayed')
})

test('a server on the database serves the history, and the hold that somebody has', { skip }, async (t) => {
  const { data, before } = await fullStore(t, 60)
  const { url } = await newDatabase(t)
  await moved(t, data, url)
  const serving = await startProcess(t, data, ['--postgres-url', url, '--nats-url', nats?.url ?? ''])
  const { messages } = (await ask(serving.url, 'GET', '/ws/history?user=bo&limit=500')).body
  const bo = before.histories.find(({ log }) => log.id === 'bo')!
  assert.deepEqual(
    messages.map(({ id, offset }: { id: string; offset: number }) => [id, offset]),
    bo.entries.map(({ id, offset }) => [id, offset]),
  )
  const status = await runProcess(t, ['pools', 'status', 'proxies', '--url', serving.url, '--json'])
  assert.match(status.output, /"ann"/, status.errors)
  assert.match(status.output, new RegExp(`${2 ** 32}`))
})

test('a move that is killed again and again goes on where it was, and no node starts before its end', {
  skip,
}, async (t) => {
  const { data, before } = await fullStore(t, 6_000)
  const { url, sql } = await newDatabase(t)
  await refused(t, /nothing was moved into this database/, '--to', url, '--data', data, '--check')
  const copied = async (): Promise<number> => Number((await sql`select copied from nitka.move`)[0]?.copied ?? 0)
  // It cannot come to its end: from here on it waits.
  const barrier = newConnection(t, url)
  await barrier`begin`
  await barrier`lock table nitka.cursors in exclusive mode`
  const waiting = () =>
    sql`select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
  const kept: number[] = []
  for (let kill = 0; kill < 3; kill++) {
    const last = await copied()
    const child = spawn(process.execPath, [main, 'move', '--to', url, '--data', data], { stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    await eventually(async () => (await copied()) > last || (await waiting()).length > 0, 'another piece to be there')
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    for (const { pid } of await waiting()) await sql`select pg_terminate_backend(${pid})`
    kept.push(await copied())
    const [row] = await sql`select settled, ended from nitka.move`
    assert.deepEqual([row!.settled, row!.ended], [false, null], 'it was killed in the middle')
    await assert.rejects(openNode(t, url), { code: 'unavailable', message: /being moved into this database/ })
  }
  const cut = refused(
    t,
    /the database does not answer.*: run it again, it goes on where it was/,
    '--to',
    url,
    '--data',
    data,
  )
  await eventually(async () => (await waiting()).length > 0, 'it to wait')
  for (const { pid } of await waiting()) await sql`select pg_terminate_backend(${pid})`
  await cut
  await refused(t, /not all of the store is in this database/, '--to', url, '--data', data, '--check')
  const cluster = ['--postgres-url', url, '--nats-url', nats?.url ?? '']
  const doctor = await runProcess(t, ['doctor', '--port', '0', '--data', data, '--json', ...cluster])
  assert.equal(doctor.code, 1)
  assert.match(doctor.output, /a store is being moved into the database; no node starts/)
  await barrier`rollback`
  const { code, output, errors } = await runProcess(t, ['move', '--to', url, '--data', data])
  assert.deepEqual([code, errors], [0, ''])
  assert.match(output, /4 rooms, \d+ members, 6 logs, \d+ entries, .*; the same in 127\.0\.0\.1:\d+\/test\d+, after/)
  assert.match(output, /\d+ records were there before/)
  assert.ok(kept[0]! > 0 && kept.every((count, i) => i === 0 || count >= kept[i - 1]!), String(kept))
  const node = await openNode(t, url)
  const now = await contents(node)
  assert.deepEqual(now.histories, before.histories)
  assert.equal(now.tasks.length, before.tasks.length)
})

test('the comparison finds what was changed, lost or added, says where, and lets no node start', {
  skip,
}, async (t) => {
  const { data } = await fullStore(t, 60)
  const { url, sql } = await newDatabase(t)
  await moved(t, data, url)
  const check = ['--to', url, '--data', data, '--check']
  assert.equal((await moved(t, data, url, '--check')).same, true)
  const wrong: [change: string, message: RegExp][] = [
    [
      `update nitka.entries e set body = '"other"' from nitka.logs l where l.no = e.log and l.id = 'bo' and e."offset" = 5`,
      /entry user bo 5 is different/,
    ],
    ["delete from nitka.members where room = 'zoo' and user_name = 'eve'", /member zoo eve is missing/],
    ["insert into nitka.rooms values ('more', 'More', true, 'x', 1)", /room: 4 in the store, 5 in the database/],
    ["update nitka.tasks set history = '[]' where state = 4", /task \w{20} is different/],
    ['update nitka.cursors set "offset" = "offset" + 1', /cursor .* is different/],
    ["update nitka.meta set epoch = 'x'", /the epoch is different/],
    ['update nitka.task_counts set count = count + 1 where state = 0', /tasks are not counted/],
  ]
  // Several at a time: what one hides, another one must not.
  for (const some of [wrong.slice(0, 4), wrong.slice(4)]) {
    for (const [change] of some) await sql.unsafe(change)
    const { code, errors } = await runProcess(t, ['move', ...check])
    assert.equal(code, 1)
    for (const [, message] of some) assert.match(errors, message)
  }
  await assert.rejects(openNode(t, url), { code: 'unavailable' })
})

test('a database with something in it, with nodes, or with another store is refused, and left as it is', {
  skip,
}, async (t) => {
  const { folder, data } = await fullStore(t, 30)
  const used = await newDatabase(t)
  const node = await openNode(t, used.url)
  await refused(t, /nodes use this database: stop them/, '--to', used.url, '--data', data)
  await node.rooms.create({ id: 'r', name: 'R', open: true, creator: 'a', time: 1 }, { roomsPerUserMax: 0 })
  await node.close()
  await refused(t, /the database is not empty: nitka\.rooms holds something/, '--to', used.url, '--data', data)
  assert.equal((await used.sql`select from nitka.rooms`).length, 1)
  assert.equal((await used.sql`select from nitka.move`).length, 0)

  const { url } = await newDatabase(t)
  await moved(t, data, url)
  const other = join(folder, 'other')
  const engine = await openStoreIn(other)
  await engine.close()
  await refused(t, /another store is being moved into this database, or was/, '--to', url, '--data', other)
  const again = await openStoreIn(data)
  const log: LogName = { kind: 'room', id: 'tea' }
  await again.logs.append([{ entries: [{ log, id: 'x', time: 1, sender: '', body: '1', counts: true }] }])
  await again.close()
  await refused(t, /the store was written to since this move began/, '--to', url, '--data', data)
  const own = await openNode(t, url)
  await own.close()
  await refused(t, /written to since/, '--to', url, '--data', data)
})

test('after nodes have worked on it nothing is compared, nor copied again', { skip }, async (t) => {
  const { data } = await fullStore(t, 30)
  const { url } = await newDatabase(t)
  await moved(t, data, url)
  const node = await openNode(t, url)
  await node.close()
  for (const more of [[], ['--check']]) {
    await refused(t, /moved before, and nodes have worked on it since/, '--to', url, '--data', data, ...more)
  }
})

test('a store in use, a damaged one, and wrong addresses are told in a line, without the password', {
  skip,
}, async (t) => {
  const { folder, data } = await fullStore(t, 30)
  const { url, sql } = await newDatabase(t)
  const serving = await startProcess(t, data)
  await refused(t, /data is in use by another process/, '--to', url, '--data', data)
  await serving.kill()
  await refused(t, /there is no store in/, '--to', url, '--data', folder)
  await refused(
    t,
    /to must be an address that begins with postgres:\/\//,
    '--to',
    'mysql://a:secret@b/c',
    '--data',
    data,
  )
  const nowhere = await runProcess(t, ['move', '--to', 'postgres://a:secret@127.0.0.1:1/x', '--data', data])
  assert.deepEqual([nowhere.code, /secret/.test(nowhere.errors)], [1, false])
  assert.match(nowhere.errors, /cannot use Postgres at 127\.0\.0\.1:1: /)
  assert.equal((await runProcess(t, ['move', '--data', data])).code, 2)
  const environment = { NITKA_POSTGRES_URL: 'postgres://a:secret@127.0.0.1:1/x', NITKA_NATS_URL: 'nats://127.0.0.1:1' }
  const named = await runProcess(t, ['move', '--data', data], environment)
  assert.deepEqual([named.code, named.errors], [1, nowhere.errors])

  const disk = await openDisk(join(data, 'store'), { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 20, create: false })
  await disk.batch([{ type: 'del', key: key(spaces.entry, logBytes({ kind: 'user', id: 'bo' }), ordered(5)) }], true)
  await disk.close()
  await refused(t, /the log user bo has lost its entry 5/, '--to', url, '--data', data)
  assert.equal(
    (await sql`select from nitka.entries e join nitka.logs l on l.no = e.log where l.id = 'bo' and e."offset" > 4`)
      .length,
    0,
  )
  await assert.rejects(openNode(t, url), { code: 'unavailable' })
})

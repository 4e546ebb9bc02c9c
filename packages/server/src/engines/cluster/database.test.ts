// A Postgres that is away for a while, or whose connections go silent, as one statement sees it.

import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { SimulatedClock } from '../../../testing/clock.ts'
import { eventually } from '../../../testing/eventually.ts'
import { Link } from '../../../testing/link.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { Database } from './database.ts'

const { clock } = realWorld()
const skip = noPostgres() ?? false
const server = skip === false ? await TestPostgres.start({ after }) : undefined

/** A way to Postgres; what was connected until `silence` hears nothing any more, and is not told so. */
async function wayTo(t: TestContext, url: string): Promise<{ readonly url: string; silence(): void }> {
  const sockets = new Set<Socket>()
  const port = Number(new URL(url).port)
  const listener = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined).on('close', () => to.destroy())
      from.on('data', (bytes) => to.write(bytes))
    }
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    listener.close()
    for (const socket of sockets) socket.destroy()
  })
  const way = new URL(url)
  way.port = String((listener.address() as { port: number }).port)
  const silence = (): void => {
    for (const socket of sockets) socket.removeAllListeners('data').resume()
  }
  return { url: way.toString(), silence }
}

test('when a machine is gone without a word, statements reach the one that took its place', { skip }, async (t) => {
  const way = await wayTo(t, (await server?.database()) ?? '')
  const database = new Database({ url: way.url, clock, connectionsMax: 3, statementMs: 1_000 })
  t.after(() => database.close())
  const one = () => database.run<{ one: number }>('select 1 as one')
  const answers = (...asked: Promise<unknown>[]): Promise<boolean> =>
    Promise.all(asked).then(
      () => true,
      () => false,
    )
  await eventually(() => answers(one(), one(), one()), 'the database answers')
  const renewed = database.renewed
  way.silence()
  await assert.rejects(one(), { code: 'unavailable' })
  assert.equal(database.renewed, renewed + 1)
  await eventually(() => answers(one()), 'the database answers again')
  assert.equal(database.trouble, undefined)
})

test('one statement that is late while others are answered does not end those', { skip }, async (t) => {
  const time = new SimulatedClock()
  const options = { url: (await server?.database()) ?? '', connectionsMax: 1, statementMs: 60_000 }
  const [database, other] = [new Database({ ...options, clock: time }), new Database({ ...options, clock })]
  t.after(() => Promise.all([database.close(), other.close()]))
  await other.run('select pg_advisory_lock(1)::text')
  // One connection: each waits for those before it.
  const first = database.run('select 1 as one')
  const last = assert.rejects(database.run('select pg_advisory_lock(1)::text'), { code: 'unavailable' })
  time.advance(60_000)
  await first
  time.advance(500)
  await last
  assert.equal(database.renewed, 0)
})

test('a statement that cannot be sent waits for the database, and is done once it is there', { skip }, async (t) => {
  const postgres = await TestPostgres.start(t)
  const database = new Database({
    ...{ url: await postgres.database(), clock, connectionsMax: 2, statementMs: 30_000 },
  })
  t.after(() => database.close())
  await database.run('create table t (n int)')
  await postgres.stop()
  const waiting = Promise.all([1, 2, 3].map((n) => database.run('insert into t values ($1)', [n])))
  const trouble = new Promise<void>((resolve) => {
    const timer = clock.every(5, () => {
      if (database.trouble === undefined) return
      timer.cancel()
      resolve()
    })
  })
  await trouble
  await postgres.start()
  await waiting
  assert.deepEqual(await database.run('select n from t order by n'), [{ n: 1 }, { n: 2 }, { n: 3 }])
  assert.equal(database.trouble, undefined)
})

test('a database that stays away is an error within the time of a statement, and says so', { skip }, async (t) => {
  const postgres = await TestPostgres.start(t)
  const database = new Database({ url: await postgres.database(), clock, connectionsMax: 2, statementMs: 300 })
  t.after(() => database.close())
  await postgres.kill()
  await assert.rejects(database.run('select 1'), { code: 'unavailable' })
  assert.ok(database.trouble !== undefined && database.failures > 0)
})

test('a server that takes no writes any more is left for the one that answers at the address by then', {
  skip,
}, async (t) => {
  const [before, next] = [await TestPostgres.start(t), await TestPostgres.start(t)]
  const link = await Link.start(t, before.port)
  const url = (await before.database()).replace(String(before.port), String(link.port))
  await next.database()
  const database = new Database({ url, clock, connectionsMax: 2, statementMs: 2_000 })
  t.after(() => database.close())
  await database.run('select 1')
  link.lead(next.port, false)
  await database.run('create table here (n int)')
  // As one that was promoted elsewhere finds its old self: a standby.
  await before.administer('alter system set default_transaction_read_only = on')
  await before.administer('select pg_reload_conf()')
  let refused = 0
  await eventually(async () => {
    try {
      await database.run('create table there (n int)')
      return true
    } catch (error) {
      assert.equal((error as { code: string }).code, 'unavailable')
      refused++
      return false
    }
  }, 'it is written where writes are taken')
  assert.ok(refused > 0 && database.renewed > 0)
  assert.equal(database.trouble, undefined)
})

test('what waited for something locked was not done, and the database answers', { skip }, async (t) => {
  const url = (await server?.database()) ?? ''
  const [database, other] = [1_000, 30_000].map((statementMs) => {
    const one = new Database({ url, clock, connectionsMax: 1, statementMs })
    t.after(() => one.close())
    return one
  })
  await other?.run('select pg_advisory_lock(1)::text')
  const refused = { code: 'unavailable', message: /nothing was done/ }
  await assert.rejects(database?.run('select pg_advisory_lock(1)::text') ?? Promise.resolve(), refused)
  assert.equal(database?.trouble, undefined)
})

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Config } from '../src/config.ts'
import { Calendar } from '../src/pools/calendar.ts'
import type { ServerTools } from '../src/server.ts'
import { SimulatedClock } from '../testing/clock.ts'
import { eventually } from '../testing/eventually.ts'
import { stillWorld } from '../testing/far-clock.ts'
import { startProcess } from '../testing/process.ts'
import { ask, start, temporaryFolder } from '../testing/server.ts'
import { TcpClient } from '../testing/tcp-client.ts'

async function begin(t: TestContext, wishes: Partial<Config> = {}, tools: ServerTools = {}) {
  const started = await start(t, wishes, tools)
  const open = () => TcpClient.open(t, { port: started.server.socketPort ?? 0, host: '127.0.0.1' })
  const client = await open()
  await client.call('pool.add', 0, { pool: 'p', resources: ['a', 'b', { id: 'c', data: { url: 'http://c' } }] })
  return { ...started, open, client }
}

test('resources are held all or none, by one at a time, first come first served', async (t) => {
  const { client, open } = await begin(t)
  const hold = await client.call('pool.acquire', 1, { pool: 'p', count: 2, ttl: 60_000 })
  assert.deepEqual(hold.resources, ['a', 'b'])
  assert.ok(Date.parse(hold.until) > Date.now() && Number.isSafeInteger(hold.token))
  assert.match((await client.call('pool.acquire', 2, { pool: 'p', count: 2 })).err, /2 of p wanted, 1 of 3 free/)
  const large = await open()
  const small = await open()
  large.ask('pool.acquire', 1, { pool: 'p', count: 3, wait: 60_000 })
  await client.call('ping', 3)
  let asked = 10
  const waiters = async () => (await client.call('pool.status', ++asked, { pool: 'p' })).waiters
  await eventually(async () => (await waiters()) === 1, 'the large one')
  small.ask('pool.acquire', 1, { pool: 'p', wait: 60_000 })
  await small.call('ping', 2)
  assert.equal(small.values.length, 1, 'a smaller request does not pass a larger one')
  assert.deepEqual(await client.call('pool.release', 5, { hold: hold.hold }), {})
  const all = await large.answer('pool.acquire', 1)
  const added = ['a', 'b', { id: 'c', data: { url: 'http://c' } }]
  const byId = (one: string | { id: string }): string => (typeof one === 'string' ? one : one.id)
  assert.deepEqual(
    all.resources.toSorted((x: never, y: never) => byId(x).localeCompare(byId(y))),
    added,
  )
  assert.ok(all.token > hold.token)
  large.socket.end()
  assert.equal((await small.answer('pool.acquire', 1)).resources.length, 1, 'a goodbye releases at once')
})

test('a hold ends by its time, is renewed by its holder alone, and its token tells who has it', async (t) => {
  const clock = new SimulatedClock()
  const { client, open, ask } = await begin(t, {}, { world: stillWorld(clock) })
  const hold = await client.call('pool.acquire', 1, { pool: 'p', count: 3, ttl: 300 })
  const held = async (i: number, token: number) =>
    (await client.call('pool.check', i, { pool: 'p', resource: 'a', token })).held
  assert.deepEqual([await held(2, hold.token), await held(3, hold.token + 1)], [true, false])
  const renewed = await client.call('pool.renew', 4, { hold: hold.hold, ttl: 700, token: hold.token })
  assert.ok(Date.parse(renewed.until) > Date.parse(hold.until))
  assert.match((await client.call('pool.renew', 5, { hold: hold.hold, token: hold.token + 1 })).err, /token/)
  assert.equal((await ask('POST', '/pools/release?user=mallory', { hold: hold.hold })).status, 403)
  const other = await open()
  other.ask('pool.acquire', 1, { pool: 'p', wait: 5_000 })
  clock.advance(699)
  await other.call('ping', 2)
  assert.equal(await held(8, hold.token), true, 'not before its time')
  assert.equal(other.values.length, 1)
  clock.advance(1)
  const next = await other.answer('pool.acquire', 1)
  assert.ok(next.token > hold.token)
  assert.match((await client.call('pool.renew', 6, { hold: hold.hold })).err, /no such hold/)
  assert.equal(await held(7, hold.token), false)
})

test('a lost connection keeps its holds for a grace, in which they can be taken over', async (t) => {
  const clock = new SimulatedClock()
  const { client, open } = await begin(t, { holdGraceMs: 1_500 }, { world: stillWorld(clock) })
  const lost = await open()
  const one = await lost.call('pool.acquire', 1, { pool: 'p', count: 2, ttl: 60_000 })
  const two = await lost.call('pool.acquire', 2, { pool: 'p', count: 1, ttl: 60_000 })
  lost.socket.resetAndDestroy()
  let asked = 0
  const status = async () => client.call('pool.status', ++asked, { pool: 'p' })
  await eventually(
    async () => (await status()).holds.every(({ attached }: { attached: boolean }) => !attached),
    'the loss',
  )
  assert.equal((await status()).free, 0)
  const back = await open()
  assert.equal((await back.call('pool.attach', 1, { hold: one.hold })).token, one.token)
  clock.advance(1_500)
  await eventually(async () => (await status()).free === 1, 'the end of the other hold')
  assert.match((await back.call('pool.attach', 2, { hold: two.hold })).err, /no such hold/)
  assert.equal((await status()).holding, 1)
})

test('a hold that is detached outlives its connection, and one over HTTP has none', async (t) => {
  const { client, open, ask } = await begin(t)
  const gone = await open()
  const hold = await gone.call('pool.acquire', 1, { pool: 'p', detached: true, ttl: 60_000 })
  gone.socket.end()
  const http = (await ask('POST', '/pools/acquire', { pool: 'p', ttl: 60_000 })).body
  await eventually(async () => gone.closed, 'the end')
  const { free, holding } = await client.call('pool.status', 1, { pool: 'p' })
  assert.deepEqual([free, holding], [1, 2])
  for (const { hold: id } of [hold, http]) assert.equal((await ask('POST', '/pools/release', { hold: id })).status, 200)
  assert.equal((await ask('POST', '/pools/acquire', { pool: 'p', count: 4 })).body.code, 'busy')
  assert.equal((await ask('POST', '/pools/acquire', { pool: 'none' })).status, 404)
})

test('wrong parameters are named, and resources come and go while the pool is used', async (t) => {
  const { client } = await begin(t)
  const wrong: [string, unknown, RegExp][] = [
    ['pool.acquire', undefined, /pool is missing/],
    ['pool.acquire', { pool: 'a b' }, /pool/],
    ['pool.acquire', { pool: 'p', count: 0 }, /count/],
    ['pool.acquire', { pool: 'p', count: 1.5 }, /count/],
    ['pool.acquire', { pool: 'p', ttl: 3_600_001 }, /ttl/],
    ['pool.acquire', { pool: 'p', wait: -1 }, /wait/],
    ['pool.acquire', { pool: 'p', more: 1 }, /more/],
    ['pool.release', { hold: 'x' }, /hold/],
    ['pool.release', { hold: '0'.repeat(32) }, /no such hold/],
    ['pool.add', { pool: 'p', resources: [] }, /resources/],
    ['pool.add', { pool: 'p', resources: [7] }, /resources/],
    ['pool.remove', { pool: 'none', resources: ['a'] }, /no pool none/],
    ['pool.book', { pool: 'p', from: 'today', to: 'tomorrow' }, /from|to/],
  ]
  for (const [i, [type, payload, err]] of wrong.entries())
    assert.match((await client.call(type, i + 1, payload)).err, err)
  const hold = await client.call('pool.acquire', 50, { pool: 'p', count: 2 })
  assert.deepEqual(await client.call('pool.remove', 51, { pool: 'p', resources: ['a', 'c', 'x'] }), { removed: 2 })
  assert.equal((await client.call('pool.status', 52, { pool: 'p' })).total, 2, 'a held one stays until it is free')
  await client.call('pool.release', 53, { hold: hold.hold })
  const { total, free } = await client.call('pool.status', 54, { pool: 'p' })
  assert.deepEqual([total, free], [1, 1])
})

test('after kill -9 holds and bookings are there, and tokens go on growing', async (t) => {
  const data = await temporaryFolder(t)
  const slot = { from: '2040-01-01T10:00:00Z', to: '2040-01-01T11:00:00Z' }
  let token = 0
  let hold = ''
  let resource = ''
  for (let life = 0; life < 3; life++) {
    const { url, kill } = await startProcess(t, data)
    const call = async (name: string, body: object) => (await ask(url, 'POST', `/pools/${name}`, body)).body
    await call('add', { pool: 'p', resources: [`r${life}`, `s${life}`] })
    if (life > 0) {
      const status = await call('status', { pool: 'p' })
      assert.deepEqual([status.holding, status.holds.at(-1).hold], [life, hold])
      assert.equal((await call('calendar', { pool: 'p', ...slot })).bookings.length, life)
      assert.equal((await call('check', { pool: 'p', resource, token })).held, true)
    }
    const next = await call('acquire', { pool: 'p', count: 1, ttl: 3_600_000 })
    assert.ok(next.token > token)
    ;({ token, hold } = next)
    resource = next.resources[0].id
    await call('book', { pool: 'p', ...slot, resources: [`s${life}`] })
    assert.equal((await call('book', { pool: 'p', ...slot, resources: [`s${life}`] })).code, 'conflict')
    await kill()
  }
})

test('a room is booked from one time to another, all or none, listed, and cancelled by whoever booked it', async (t) => {
  const { ask } = await begin(t)
  const call = async (name: string, body: object, user = 'ann') =>
    (await ask('POST', `/pools/${name}?user=${user}`, { pool: 'p', ...body })).body
  const at = (hour: number) => `2040-05-05T${String(hour).padStart(2, '0')}:00:00Z`
  const first = await call('book', { from: at(10), to: at(12), count: 2, note: 'tea' })
  assert.deepEqual([first.resources, first.user, first.note], [['a', 'b'], 'ann', 'tea'])
  assert.equal((await call('book', { from: at(11), to: at(13), count: 2 })).code, 'conflict')
  assert.deepEqual((await call('book', { from: at(11), to: at(13) })).resources, ['c'])
  assert.equal((await call('book', { from: at(12), to: at(13), resources: ['a', 'b'] })).resources.length, 2)
  assert.equal((await call('book', { from: at(13), to: at(12) })).field, 'to')
  assert.equal((await call('book', { from: at(1), to: at(2), resources: ['none'] })).code, 'not-found')
  assert.equal((await call('book', { from: '2020-01-01T00:00:00Z', to: '2020-01-01T01:00:00Z' })).field, 'to')
  const { bookings } = await call('calendar', { from: at(12), to: at(13) })
  assert.deepEqual(
    bookings.map(({ resources }: { resources: string[] }) => resources),
    [['c'], ['a', 'b']],
  )
  const cancel = async (user: string) =>
    (await ask('POST', `/pools/cancel?user=${user}`, { booking: first.booking })).status
  assert.deepEqual([await cancel('bert'), await cancel('ann'), await cancel('ann')], [403, 200, 404])
  assert.deepEqual((await call('book', { from: at(10), to: at(12) })).resources, ['a'])
})

test('whatever is booked and cancelled, no two bookings of a resource overlap, and what is free can be booked', () => {
  const wish = fc.record({
    resource: fc.constantFrom('a', 'b'),
    from: fc.nat(50),
    length: fc.integer({ min: 1, max: 9 }),
    cancel: fc.nat(9),
  })
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 60 }), (wishes) => {
      const calendar = new Calendar()
      const kept: { id: string; resources: string[]; from: number; to: number; pool: string; user: string }[] = []
      for (const [i, { resource, from, length, cancel }] of wishes.entries()) {
        if (cancel === 0 && kept[0] !== undefined) calendar.remove(kept.shift() as (typeof kept)[0])
        const booking = { id: `${i}`, resources: [resource], from, to: from + length, pool: 'p', user: 'u' }
        const clash = kept.some(
          (one) => one.resources[0] === resource && one.from < booking.to && booking.from < one.to,
        )
        assert.equal(calendar.free(resource, from, from + length), !clash)
        if (clash) assert.throws(() => calendar.add(booking), { code: 'conflict' })
        else {
          calendar.add(booking)
          kept.push(booking)
        }
      }
      const listed = calendar.list({ from: 0, to: 99, resource: undefined, limit: 500 }).map(({ id }) => id)
      assert.deepEqual([...listed].sort(), kept.map(({ id }) => id).sort())
    }),
    { numRuns: 1_000 },
  )
})

// Ownership on a real Postgres: several nodes in one process, each with a connection of its own that can be cut.

import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { eventually } from '../../../testing/eventually.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { InProcessHub } from '../embedded/bus.ts'
import { Database } from './database.ts'
import { migrate } from './migrate.ts'
import { ClusterOwnership } from './ownership.ts'

const { clock } = realWorld()
const skip = noPostgres()
const server = skip === undefined ? await TestPostgres.start({ after }) : undefined

interface Span {
  readonly node: string
  readonly fence: number
  from: number
  to: number
}

async function cluster(t: TestContext, postgres = server) {
  const url = (await postgres?.database()) ?? ''
  const admin = new Database({ url, clock, connectionsMax: 1, statementMs: 5_000 })
  t.after(() => admin.close())
  await migrate(admin)
  const hub = new InProcessHub()
  let nodes = 0
  /** Nodes that do not reach the database. */
  const cut = new Set<ClusterOwnership>()
  const open = async (leaseMs = 1_200): Promise<ClusterOwnership> => {
    const database = new Database({ url, clock, connectionsMax: 1, statementMs: 5_000 })
    const node = `node${++nodes}`.padEnd(20, '0')
    const bus = hub.node()
    const run: Database['run'] = (...query) =>
      [...cut].some((one) => one.node === node) ? Promise.reject(new Error('cut off')) : database.run(...query)
    const ownership = await ClusterOwnership.open({
      ...{ database: { run }, bus, clock, node, version: '1', leaseMs, beatMs: 150 },
    })
    t.after(async () => {
      await ownership.close()
      await database.close()
      await bus.close()
    })
    return ownership
  }
  return { open, cut, admin }
}

/** Claims a unit for a node and writes down when it had it. */
function claims(node: ClusterOwnership, unit: string, spans: Span[]) {
  let span: Span | undefined
  const claim = node.claim(unit, {
    gained: (fence) => {
      span = { node: node.node, fence, from: clock.monotonic(), to: Number.POSITIVE_INFINITY }
      spans.push(span)
    },
    lost: () => {
      if (span !== undefined) span.to = clock.monotonic()
    },
  })
  const release = async (): Promise<void> => {
    if (span !== undefined) span.to = clock.monotonic()
    await claim.release()
  }
  return Object.assign({ release }, { fence: () => claim.fence })
}

/** Never two at a time, and fences only grow. */
function check(spans: readonly Span[]): void {
  for (const [i, span] of spans.entries()) {
    const before = spans[i - 1]
    if (before === undefined) continue
    assert.ok(before.to <= span.from, `${before.node} had it until ${before.to}, ${span.node} from ${span.from}`)
    assert.ok(span.fence > before.fence || (span.node === before.node && span.fence === before.fence))
  }
}

test('a unit is one node’s; who stands by gets it when it is given up, with a larger fence', { skip }, async (t) => {
  const { open } = await cluster(t)
  const [one, two] = [await open(60_000), await open(60_000)]
  const spans: Span[] = []
  const first = claims(one, 'a', spans)
  await eventually(() => first.fence() !== undefined, 'one has it')
  assert.throws(() => one.claim('a', { gained: () => undefined, lost: () => undefined }), { code: 'conflict' })
  const second = claims(two, 'a', spans)
  await eventually(() => two.owner('a')?.node === one.node, 'two knows it')
  assert.equal(second.fence(), undefined)
  await first.release()
  await eventually(() => second.fence() !== undefined, 'two has it')
  await eventually(() => one.owner('a')?.node === two.node, 'one knows it')
  check(spans)
  assert.equal(spans.length, 2)
  await Promise.all([second.release(), second.release()])
  await eventually(() => one.owner('a') === undefined, 'nobody has it')
})

test('a node that closes gives everything up at once, and the others hear that it is gone', { skip }, async (t) => {
  const { open } = await cluster(t)
  const [one, two] = [await open(60_000), await open(60_000)]
  const spans: Span[] = []
  const units = Array.from({ length: 200 }, (_, i) => `unit ${i}`)
  const held = units.map((unit) => claims(one, unit, spans))
  await eventually(() => held.every(({ fence }) => fence() !== undefined), 'one has all')
  assert.equal(one.held, 200)
  const wanted = units.map((unit) => claims(two, unit, spans))
  const gone: string[] = []
  two.onGone((node) => gone.push(node))
  await eventually(() => two.nodes.has(one.node), 'two knows one')
  await one.close()
  await eventually(() => wanted.every(({ fence }) => fence() !== undefined), 'two has all')
  assert.deepEqual(gone, [one.node])
  assert.deepEqual([...two.nodes], [two.node])
})

test('a node that the record does not hear any more stops before another begins', { skip }, async (t) => {
  const postgres = await TestPostgres.start(t)
  const { open } = await cluster(t, postgres)
  const [one, two] = [await open(), await open()]
  const spans: Span[] = []
  const both = [claims(one, 'a', spans), claims(two, 'a', spans)]
  const has = (): number => both.filter(({ fence }) => fence() !== undefined).length
  await eventually(() => has() === 1, 'somebody has it')
  for (let round = 0; round < 3; round++) {
    postgres.pause()
    await eventually(() => has() === 0, 'nobody is sure')
    postgres.resume()
    await eventually(() => has() === 1, 'somebody has it again')
  }
  await postgres.kill()
  await eventually(() => has() === 0, 'nobody is sure')
  await postgres.start()
  await eventually(() => has() === 1, 'somebody has it again')
  check(spans)
  assert.ok(one.lost + two.lost > 0)
})

test('nodes that come, go and are cut off never have a unit at one time, and somebody always gets it', {
  skip,
}, async (t) => {
  const { open, cut } = await cluster(t)
  const spans: Span[] = []
  const nodes = await Promise.all(Array.from({ length: 4 }, () => open()))
  const held = new Map(nodes.map((node) => [node, claims(node, 'a', spans)]))
  const owner = (): ClusterOwnership | undefined => nodes.find((node) => held.get(node)?.fence() !== undefined)
  for (let round = 0; round < 12; round++) {
    await eventually(() => owner() !== undefined, 'somebody has it')
    const one = owner()
    if (one === undefined) continue
    if (round % 3 < 2) {
      // Not heard of for longer than its lease; then it is there again and stands by.
      cut.add(one)
      await eventually(() => owner() !== undefined && owner() !== one, 'another has it')
      cut.delete(one)
    } else {
      await held.get(one)?.release()
      await one.close()
      nodes.splice(nodes.indexOf(one), 1)
      const next = await open()
      nodes.push(next)
      held.set(next, claims(next, 'a', spans))
    }
  }
  check(spans)
  assert.ok(spans.length > 12)
})

test('units that nobody has are forgotten, once every node has heard of it', { skip }, async (t) => {
  const { open, cut, admin } = await cluster(t)
  const [one, two] = [await open(), await open(60_000)]
  const rows = async (): Promise<number> =>
    (await admin.run<{ count: number }>('select count(*)::int from nitka.owners'))[0]?.count ?? -1
  const tidied = async (): Promise<number> => {
    await admin.run('select nitka.tidy_owners(1000)')
    return rows()
  }
  const spans: Span[] = []
  const held = Array.from({ length: 30 }, (_, i) => claims(one, `unit ${i}`, i === 0 ? spans : []))
  await eventually(() => held.every(({ fence }) => fence() !== undefined), 'one has all')
  await eventually(() => two.owner('unit 29') !== undefined, 'two knows')
  cut.add(two)
  await Promise.all(held.slice(1).map(({ release }) => release()))
  await eventually(() => one.owner('unit 29') === undefined, 'one knows')
  assert.equal(await tidied(), 30, 'two has not heard')
  assert.notEqual(two.owner('unit 29'), undefined)
  cut.delete(two)
  await eventually(() => two.owner('unit 29') === undefined, 'two knows')
  await eventually(async () => (await tidied()) === 1, 'what nobody has is forgotten')
  assert.equal(two.owner('unit 0')?.node, one.node)

  // One that was taken for gone has not heard, and is told everything.
  cut.add(one)
  await eventually(async () => {
    const [row] = await admin.run<{ node: string | null }>(`select node from nitka.owners where unit = 'unit 0'`)
    return row?.node === null
  }, 'one is gone')
  await eventually(async () => (await tidied()) === 0, 'nothing is left')
  cut.delete(one)
  await eventually(() => spans.length === 2, 'one has it again, as it wishes')
  check(spans)
})

test('when a copy that was behind takes the place of the database, everybody hears who has what there, under fences that grow', {
  skip,
}, async (t) => {
  const { open, admin } = await cluster(t)
  const [one, two] = [await open(60_000), await open(60_000)]
  const spans: Span[] = []
  const first = claims(one, 'a', spans)
  await eventually(() => first.fence() !== undefined, 'one has it')
  const [before] = await admin.run<{ fence: number; token: number }>(
    `select fence, nitka.take_tokens(10) as token from nitka.owners where unit = 'a'`,
  )
  const second = claims(two, 'a', spans)
  await first.release()
  await eventually(() => second.fence() !== undefined, 'two has it')
  const lost = second.fence() ?? 0
  await admin.run('select nitka.take_tokens(1000)')
  // As it was before: the end is lost, and what is not logged is empty.
  const third = claims(one, 'a', [])
  await admin.script(`
    begin;
    truncate nitka.owners_past;
    update nitka.owners set node = '${one.node}', fence = ${before?.fence ?? 0} where unit = 'a';
    select setval('nitka.owner_fence', ${before?.fence ?? 0});
    update nitka.meta set fence = 10;
    update nitka.nodes set until = clock_timestamp() - interval '1 hour';
    commit`)
  await eventually(() => third.fence() !== undefined && second.fence() === undefined, 'one has it again')
  assert.equal(two.owner('a')?.node, one.node)
  assert.equal(one.nodes.size, 2, 'nobody is taken for gone')
  await third.release()
  await eventually(() => second.fence() !== undefined, 'two gets it')
  assert.ok((second.fence() ?? 0) > lost)
  const [after] = await admin.run<{ token: number }>('select nitka.take_tokens(1) as token')
  assert.ok((after?.token ?? 0) > (before?.token ?? 0) + 1_000)
})

test('what a node has only because the end of the record was lost, it gives up', { skip }, async (t) => {
  const { open, admin } = await cluster(t)
  const [one, two] = [await open(60_000), await open(60_000)]
  const second = claims(two, 'a', [])
  await eventually(() => second.fence() !== undefined, 'two has it')
  const lost = second.fence() ?? 0
  // As it was when the first node had it, which has given it up since.
  await admin.script(`
    begin;
    truncate nitka.owners_past;
    update nitka.owners set node = '${one.node}' where unit = 'a';
    commit`)
  await eventually(() => (second.fence() ?? 0) > lost, 'two gets it')
  assert.equal(two.lost, 1)
})

// Writes of pools under a fence, on a real Postgres: a node that lost the pools, and does not know, writes nothing any more.

import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import { eventually } from '../../../testing/eventually.ts'
import { noPostgres, TestPostgres } from '../../../testing/postgres.ts'
import { realWorld } from '../../world.ts'
import { InProcessHub } from '../embedded/bus.ts'
import { Database } from './database.ts'
import { migrate } from './migrate.ts'
import { ClusterOwnership } from './ownership.ts'
import { ClusterPoolStore } from './pool-store.ts'

const { clock } = realWorld()
const skip = noPostgres()
const server = skip === undefined ? await TestPostgres.start({ after }) : undefined

async function open(t: TestContext) {
  const url = (await server?.database()) ?? ''
  const database = new Database({ url, clock, connectionsMax: 4, statementMs: 5_000 })
  t.after(() => database.close())
  await migrate(database)
  const hub = new InProcessHub()
  const join = async (name: string): Promise<ClusterOwnership> => {
    const node = name.padEnd(20, '0')
    const ownership = await ClusterOwnership.open({ database, bus: hub.node(), clock, node, version: '1', beatMs: 100 })
    t.after(() => ownership.close())
    return ownership
  }
  return { database, store: new ClusterPoolStore(database), join }
}

const record = (id: string) => ({ kind: 'hold', pool: 'p', id, value: '{}' }) as const

test('a stale owner saves nothing and gets no numbers; what it saved before is there', { skip }, async (t) => {
  const { store, join } = await open(t)
  const [one, two] = [await join('one'), await join('two')]
  const fences: number[] = []
  const claim = one.claim('pools', { gained: (fence) => fences.push(fence), lost: () => undefined })
  await eventually(() => fences.length === 1, 'the first node has the pools')
  const old = store.under({ unit: 'pools', node: one.node, fence: fences[0] ?? 0 })
  const first = await old.tokens(10)
  await old.save([record('a')])
  two.claim('pools', { gained: (fence) => fences.push(fence), lost: () => undefined })
  await claim.release()
  await eventually(() => fences.length === 2, 'the second node has them')
  await assert.rejects(old.save([record('b'), { kind: 'hold', pool: 'p', id: 'a' }]), { code: 'conflict' })
  await assert.rejects(old.tokens(10), { code: 'conflict' })
  const mine = store.under({ unit: 'pools', node: two.node, fence: fences[1] ?? 0 })
  await mine.save([record('c')])
  assert.ok((await mine.tokens(1)) >= first + 10)
  assert.deepEqual((await mine.load()).map(({ id }) => id).sort(), ['a', 'c'])
  for (const guard of [
    { unit: 'pools', node: one.node, fence: fences[1] ?? 0 },
    { unit: 'pools', node: two.node, fence: fences[0] ?? 0 },
    { unit: 'other', node: two.node, fence: fences[1] ?? 0 },
  ]) {
    await assert.rejects(store.under(guard).save([record('d')]), { code: 'conflict' })
  }
})

test('of writes that race with a change of owner each is either there for the next one or refused', {
  skip,
}, async (t) => {
  const { store, join } = await open(t)
  const nodes = [await join('one'), await join('two')]
  const done = new Set<string>()
  let refused = 0
  for (let round = 0; round < 6; round++) {
    const node = nodes[round % 2] as ClusterOwnership
    const gained = Promise.withResolvers<number>()
    const claim = node.claim('pools', { gained: gained.resolve, lost: () => undefined })
    const mine = store.under({ unit: 'pools', node: node.node, fence: await gained.promise })
    const seen = new Set((await mine.load()).map(({ id }) => id))
    for (const id of done) assert.ok(seen.has(id), `${id} was confirmed, and the next owner did not see it`)
    const writes = Array.from({ length: 30 }, async (_, i) => {
      for (let turn = 0; turn < i % 10; turn++) await new Promise((resolve) => setImmediate(resolve))
      const id = `${round}-${i}`
      await mine.save([record(id)]).then(
        () => done.add(id),
        ({ code }) => {
          assert.equal(code, 'conflict')
          refused++
        },
      )
    })
    await claim.release()
    await Promise.all(writes)
    await assert.rejects(mine.save([record('late')]), { code: 'conflict' })
  }
  const all = await store.load()
  assert.deepEqual(all.map(({ id }) => id).sort(), [...done].sort())
  assert.equal(done.size + refused, 180)
})

test('after a write that failed none that waits behind it is done, and the next owner sees what was before', {
  skip,
}, async (t) => {
  const { database, join } = await open(t)
  const node = await join('one')
  const gained = Promise.withResolvers<number>()
  node.claim('pools', { gained: gained.resolve, lost: () => undefined })
  let failing = false
  const run: Database['run'] = (text, parameters) => {
    if (!failing || !text.includes('save_pools')) return database.run(text, parameters)
    failing = false
    return Promise.reject(new NitkaError('unavailable', 'not answered in time'))
  }
  const store = new ClusterPoolStore(Object.assign(Object.create(database), { run }) as Database)
  const mine = store.under({ unit: 'pools', node: node.node, fence: await gained.promise })
  await mine.save([record('a')])
  failing = true
  const first = assert.rejects(mine.save([{ kind: 'hold', pool: 'p', id: 'a' }]), { code: 'unavailable' })
  await Promise.resolve()
  const second = assert.rejects(mine.save([record('b')]), { code: 'conflict' })
  await Promise.all([first, second])
  await assert.rejects(mine.save([record('c')]), { code: 'conflict' })
  assert.deepEqual(
    (await store.load()).map(({ id }) => id),
    ['a'],
  )
})

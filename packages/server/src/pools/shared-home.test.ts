// Pools of several nodes in one process: nodes that die, lose the pools and get them back, over a bus that loses and a store
// that answers or does not. What must hold is seen from outside: by those who hold, and in the record.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { NitkaError } from '@nitka/protocol'
import fc from 'fast-check'
import { GuardedRecords, type WriteFate } from '../../testing/guarded-records.ts'
import { type Fate, type LossyNode, LossyNodes } from '../../testing/lossy-nodes.ts'
import { BookingService } from './booking-service.ts'
import type { HoldView } from './hold-view.ts'
import { PoolService } from './pool-service.ts'
import { SharedHome } from './shared-home.ts'
import type { Acquire, Holder } from './terms.ts'

const options = {
  ...{ ttlMs: 60_000, graceMs: 2_000, poolsMax: 0, resourcesMax: 0, waitersMax: 0, holdsPerOwnerMax: 0 },
  bookingsMax: 0,
}
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)), fraction: () => 0.5 }

interface Node extends LossyNode {
  readonly home: SharedHome
  readonly pools: PoolService
  readonly bookings: BookingService
  alive: boolean
}

class Cluster {
  readonly nodes = new LossyNodes()
  readonly records = new GuardedRecords(this.nodes.owners, this.nodes.clock)
  readonly all: Node[] = []
  readonly errors: unknown[] = []

  open(name: string, hearsMs = 0): Node {
    const { ownership, peers } = this.nodes.open(name, hearsMs)
    const onError = (error: unknown): void => void this.errors.push(error)
    const { clock } = this.nodes
    const home = new SharedHome(
      { store: this.records.store(), clock, random, onError, onBookingError: onError, ownership, peers },
      options,
    )
    const pools = new PoolService(home)
    const node: Node = { ownership, peers, home, pools, bookings: new BookingService(home), alive: true }
    this.all.push(node)
    return node
  }

  get owner(): Node {
    const name = this.nodes.owners.owner('pools')?.node
    return this.all.find(({ ownership }) => ownership.node === name) as Node
  }

  kill(node: Node): void {
    node.alive = false
    this.nodes.kill(node)
  }

  /** What was promised, when it is there within that time. */
  async result<T>(promise: Promise<T>, ms = 400): Promise<T> {
    promise.catch(() => undefined)
    await this.nodes.pass(ms)
    const late = Symbol('late')
    const first = await Promise.race([promise, Promise.resolve(late)])
    assert.notEqual(first, late, 'not answered in time')
    return first as T
  }

  async close(): Promise<void> {
    for (const { home, peers } of this.all) {
      await home.close()
      peers.close()
    }
  }
}

async function cluster(t: TestContext, ...names: string[]) {
  const cluster = new Cluster()
  const all = names.map((name) => cluster.open(name))
  t.after(() => cluster.close())
  await cluster.nodes.pass(100)
  return { cluster, all: all as [Node, Node, Node] }
}

const ann = (owner: object | undefined = undefined): Holder => ({ user: 'ann', owner })
const ids = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `r${i}` }))

test('any node answers for the pools of the one that has them, errors and bookings included', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  assert.equal(await c.result(two.pools.add('p', [{ id: 'a', data: { port: 1 } }, { id: 'b' }])), 2)
  const hold = await c.result(two.pools.acquire(ann({}), { pool: 'p', count: 2 }))
  assert.deepEqual(hold.resources, [{ id: 'a', data: { port: 1 } }, { id: 'b' }])
  await assert.rejects(c.result(one.pools.acquire(ann({}), { pool: 'p' })), { code: 'busy', field: 'count' })
  const waiting = one.pools.acquire(ann({}), { pool: 'p', wait: 5_000 })
  assert.equal(await c.result(one.pools.check('p', 'a', hold.token)), true)
  const renewed = await c.result(two.pools.renew(ann(), hold.hold, 90_000, hold.token))
  assert.ok(renewed.until > hold.until)
  await assert.rejects(c.result(two.pools.release({ user: 'eve', owner: undefined }, hold.hold)), { code: 'forbidden' })
  await c.result(two.pools.release(ann(), hold.hold))
  assert.ok((await c.result(waiting)).token > hold.token)
  assert.deepEqual(await c.result(two.pools.list()), [{ pool: 'p', total: 2, free: 1, holding: 1, waiters: 0 }])
  const from = c.nodes.clock.now() + 1_000
  const booking = await c.result(two.bookings.book('ann', { pool: 'p', from, to: from + 1_000 }))
  assert.deepEqual(await c.result(two.bookings.list('p', {})), [booking])
  await c.result(two.bookings.cancel('ann', booking.id))
  assert.deepEqual(
    [one.pools.counts.owned, two.pools.counts.owned, one.bookings.booked, two.pools.counts.forwarded > 5],
    [1, 0, 1, true],
  )
})

test('when the owner dies, holds of live connections stay, those of its own get the grace, and who waits is served', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two', 'three')
  const [one, two, three] = all
  await c.result(one.pools.add('p', ids(3)))
  const [mine, his, left] = [{}, {}, {}]
  const kept = await c.result(three.pools.acquire(ann(mine), { pool: 'p' }))
  const dead = await c.result(one.pools.acquire(ann(his), { pool: 'p' }))
  const gone = await c.result(three.pools.acquire(ann(left), { pool: 'p' }))
  const waiting = three.pools.acquire(ann({}), { pool: 'p', wait: 20_000 })
  await c.nodes.pass(500)
  c.kill(one)
  // Ended while nobody has the pools.
  three.pools.gone(left, false)
  await c.nodes.pass(1_000)
  assert.equal(c.owner, two)
  assert.equal(await c.result(two.pools.check('p', 'r0', kept.token)), true)
  assert.equal(await c.result(two.pools.check('p', 'r1', dead.token)), true)
  const served = await c.result(waiting, 3_000)
  assert.ok(served.token > gone.token)
  assert.equal(await c.result(three.pools.check('p', 'r0', kept.token)), true)
  assert.equal(await c.result(three.pools.check('p', 'r1', dead.token)), false)
  assert.equal(await c.result(three.pools.check('p', 'r2', gone.token)), false)
  three.pools.gone(mine, true)
  await c.nodes.pass(500)
  assert.equal(await c.result(three.pools.check('p', 'r0', kept.token)), false)
})

test('holds of a node that dies end after the grace, unless another connection takes them over', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two', 'three')
  const [one, two, three] = all
  await c.result(one.pools.add('p', ids(2)))
  const [lost, saved] = [
    await c.result(three.pools.acquire(ann({}), { pool: 'p' })),
    await c.result(three.pools.acquire(ann({}), { pool: 'p' })),
  ]
  const waiting = three.pools.acquire(ann({}), { pool: 'p', wait: 30_000 })
  waiting.catch(() => undefined)
  await c.nodes.pass(100)
  c.kill(three)
  await c.nodes.pass(500)
  assert.equal((await c.result(two.pools.list()))[0]?.waiters, 0)
  await c.result(two.pools.attach(ann({}), saved.hold))
  await c.nodes.pass(2_500)
  assert.equal(await c.result(two.pools.check('p', 'r0', lost.token)), false)
  assert.equal(await c.result(two.pools.check('p', 'r1', saved.token)), true)
})

test('a hold that was attached to another connection stays with that one when the pools move', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two', 'three')
  const [one, , three] = all
  await c.result(one.pools.add('p', ids(1)))
  const [before, after] = [{}, {}]
  const hold = await c.result(three.pools.acquire(ann(before), { pool: 'p' }))
  three.pools.gone(before, false)
  await c.result(three.pools.attach(ann(after), hold.hold))
  c.nodes.owners.move('pools')
  await c.nodes.pass(5_000)
  assert.notEqual(c.owner, one)
  assert.equal(await c.result(three.pools.check('p', 'r0', hold.token)), true)
  three.pools.gone(after, false)
  await c.nodes.pass(2_500)
  assert.equal(await c.result(three.pools.check('p', 'r0', hold.token)), false)
})

test('what a node writes after it lost the pools is refused, and was not answered: the next node decides', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  await c.result(one.pools.add('p', ids(1)))
  const first = one.pools.acquire(ann({}), { pool: 'p' })
  // The write is under way.
  c.nodes.owners.move('pools')
  const second = two.pools.acquire({ user: 'bert', owner: {} }, { pool: 'p' })
  const outcomes = await c.result(Promise.allSettled([first, second]), 2_000)
  assert.equal(c.owner, two)
  assert.equal(c.records.refused, 1)
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  assert.equal([...c.records.records.values()].filter(({ kind }) => kind === 'hold').length, 1)
})

test('a hold whose write was not answered is found by its repeat, and nobody else gets its resource', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  await c.result(one.pools.add('p', ids(1)))
  const fates: WriteFate[] = ['lost']
  c.records.fate = () => fates.shift() ?? 'done'
  const hold = await c.result(two.pools.acquire(ann({}), { pool: 'p' }), 4_000)
  assert.equal([...c.records.records.values()].filter(({ kind }) => kind === 'hold').length, 1)
  await assert.rejects(c.result(two.pools.acquire(ann({}), { pool: 'p' })), { code: 'busy' })
  fates.push('lost')
  await c.result(two.pools.release(ann(), hold.hold), 4_000)
  assert.equal((await c.result(two.pools.list()))[0]?.free, 1)
  assert.deepEqual(c.errors, [])
})

test('while no node has the pools calls wait, and are told so when none gets them', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  await c.result(one.pools.add('p', ids(1)))
  two.home.stop()
  await c.nodes.pass(100)
  c.kill(one)
  const late = c.result(two.pools.acquire(ann({}), { pool: 'p' }), 16_000)
  await assert.rejects(late, { code: 'unavailable', message: /^no node has the pools/ })
  const early = two.pools.acquire(ann({}), { pool: 'p' })
  await c.nodes.pass(5_000)
  c.open('three')
  assert.equal((await c.result(early)).resources[0]?.id, 'r0')
})

test('a node that stops hands the pools over, and who waits there does not notice', async (t) => {
  const { cluster: c, all } = await cluster(t, 'one', 'two')
  const [one, two] = all
  await c.result(one.pools.add('p', ids(1)))
  const hold = await c.result(one.pools.acquire(ann({}), { pool: 'p' }))
  const waiting = one.pools.acquire(ann({}), { pool: 'p', wait: 10_000 })
  await c.nodes.pass(100)
  one.home.stop()
  await c.nodes.pass(1_000)
  assert.equal(c.owner, two)
  await c.result(one.pools.release(ann(), hold.hold))
  assert.ok((await c.result(waiting)).token > hold.token)
})

/** A hold that its holder has heard of. */
interface Believed {
  readonly view: HoldView
  readonly node: Node
  readonly owner: object
}

type Step =
  | { readonly do: 'acquire' | 'release' | 'gone' | 'kill' | 'stop'; readonly node: number; readonly pick: number }
  | { readonly do: 'move' }
  | { readonly do: 'blink' }
  | { readonly do: 'pass'; readonly ms: number }

const step = (names: readonly Step['do'][], weight: number) => ({
  weight,
  arbitrary: fc.record({ do: fc.constantFrom(...names), node: fc.nat(2), pick: fc.nat(8) }) as fc.Arbitrary<Step>,
})
const steps = fc.array(
  fc.oneof(
    step(['acquire'], 8),
    step(['release'], 4),
    step(['gone'], 2),
    step(['kill', 'stop'], 1),
    { weight: 2, arbitrary: fc.constantFrom<Step>({ do: 'move' }, { do: 'blink' }) },
    { weight: 7, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(5, 15, 400, 1_500) }) },
  ),
  { minLength: 5, maxLength: 50 },
)
const fates = fc.infiniteStream(
  fc.oneof({ weight: 6, arbitrary: fc.constant<Fate>('deliver') }, fc.constantFrom<Fate>('lose', 'twice', 'late')),
)
const writes = fc.infiniteStream(
  fc.oneof({ weight: 12, arbitrary: fc.constant<WriteFate>('done') }, fc.constantFrom<WriteFate>('lost', 'undone')),
)

class Machine {
  readonly c = new Cluster()
  readonly #owners: object[][] = [0, 1, 2].map(() => [{}, {}])
  readonly believed = new Set<Believed>()
  readonly #open = new Set<string>()
  #asks = 0
  /** Tokens of those that had been answered when one was asked. */
  #largest = 0

  async run(one: Step): Promise<void> {
    if (one.do === 'pass') return this.c.nodes.pass(one.ms)
    if (one.do === 'move' || one.do === 'blink') return this.c.nodes.owners[one.do]('pools')
    const node = this.c.all[one.node] as Node
    if (!node.alive) return
    const mine = this.#owners[one.node] as object[]
    const owner = mine[one.pick % 2] as object
    if (one.do === 'acquire') {
      this.#acquire(node, owner, { pool: 'p', count: 1 + (one.pick % 2), wait: [0, 800, 30_000][one.pick % 3] ?? 0 })
    } else if (one.do === 'release') this.#release(one.pick)
    else if (one.do === 'gone') {
      for (const hold of [...this.believed]) if (hold.owner === owner) this.believed.delete(hold)
      node.pools.gone(owner, one.pick > 4)
      mine[one.pick % 2] = {}
    } else if (this.c.all.filter(({ alive }) => alive).length < 2) return
    else if (one.do === 'stop') node.home.stop()
    else {
      for (const hold of [...this.believed]) if (hold.node === node) this.believed.delete(hold)
      this.c.kill(node)
    }
  }

  #acquire(node: Node, owner: object, wish: Acquire): void {
    const { clock } = this.c.nodes
    const name = `${++this.#asks} of ${node.ownership.node}`
    const least = this.#largest
    this.#open.add(name)
    node.pools.acquire(ann(owner), wish).then(
      (view) => {
        this.#open.delete(name)
        assert.ok(view.token > least, 'tokens grow')
        this.#largest = Math.max(this.#largest, view.token)
        const there = this.#owners.some((owners) => owners.includes(owner))
        if (node.alive && there && view.until > clock.now()) this.believed.add({ view, node, owner })
        this.check()
      },
      (error: unknown) => {
        this.#open.delete(name)
        assert.ok(error instanceof NitkaError && ['busy', 'unavailable'].includes(error.code), String(error))
      },
    )
  }

  #release(pick: number): void {
    const one = [...this.believed][pick]
    if (one === undefined) return
    this.believed.delete(one)
    const refused = (error: unknown) =>
      assert.ok(error instanceof NitkaError && error.code === 'unavailable', String(error))
    one.node.pools.release(ann(one.owner), one.view.hold).catch(refused)
  }

  /** Nothing has two holders, and what somebody holds is in the record. */
  check(): void {
    const held = new Map<string, number>()
    for (const { view } of this.believed) {
      if (view.until <= this.c.nodes.clock.now()) continue
      assert.ok(this.c.records.records.has(`hold p ${view.hold}`), `${view.hold} is not in the record`)
      for (const { id } of view.resources) held.set(id, (held.get(id) ?? 0) + 1)
    }
    for (const [id, count] of held) assert.equal(count, 1, `${id} has ${count} holders`)
  }

  /** In the end everything of living nodes has been answered, and what nobody holds is free again. */
  async end(): Promise<void> {
    const { c } = this
    c.nodes.fate = () => 'deliver'
    c.records.fate = () => 'done'
    await c.nodes.pass(35_000)
    this.check()
    const living = new Set(c.all.filter(({ alive }) => alive).map(({ ownership }) => ownership.node))
    for (const name of this.#open) assert.ok(!living.has(name.split(' of ')[1] ?? ''), `${name} was not answered`)
    const holds = [...c.records.records.values()].filter(({ kind }) => kind === 'hold')
    const taken = holds.flatMap(({ value }) => (JSON.parse(value) as { resources: string[] }).resources)
    assert.equal(new Set(taken).size, taken.length, 'two records hold one resource')
    for (const { view } of this.believed) {
      if (view.until > c.nodes.clock.now())
        assert.ok(
          holds.some(({ id }) => id === view.hold),
          'a hold was lost',
        )
    }
    await c.close()
    assert.deepEqual([c.errors, c.nodes.errors], [[], []])
  }
}

test('whatever nodes, bus and store do: no resource has two holders, tokens grow, and no hold is lost', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fates, writes, async (script, stream, writing) => {
      const machine = new Machine()
      for (const i of [0, 1, 2]) machine.c.open(`node${i}`, i * 40)
      await machine.c.nodes.pass(100)
      await machine.c.result((machine.c.all[0] as Node).pools.add('p', ids(3)))
      machine.c.nodes.fate = () => stream.next().value ?? 'deliver'
      machine.c.records.fate = () => writing.next().value ?? 'done'
      for (const one of script) await machine.run(one)
      await machine.end()
    }),
    { numRuns: Number(process.env.NITKA_RUNS ?? 1) * 60 },
  )
})

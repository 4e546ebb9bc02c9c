// Pools under random use, by clients that come, wait, vanish and come back, over restarts of the server: what must hold after
// every step, seen from outside.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SimulatedClock } from '../../testing/clock.ts'
import { eventually } from '../../testing/eventually.ts'
import { reopenable } from '../../testing/store-folder.ts'
import type { HoldView } from './hold-view.ts'
import { Pools } from './pools.ts'
import type { Holder } from './terms.ts'

const runs = Number(process.env.NITKA_RUNS ?? 1) * 400
const options = {
  ...{ ttlMs: 1_000, graceMs: 500, poolsMax: 0, resourcesMax: 0, waitersMax: 0, holdsPerOwnerMax: 0 },
}
const resources = ['a', 'b', 'c', 'd'] as const
const users = ['ann', 'bert'] as const

/** A hold as its client knows it. */
interface Believed {
  readonly view: HoldView
  readonly user: string
  owner: object
  readonly detached: boolean
  readonly askedAt: number
}

class World {
  readonly clock = new SimulatedClock()
  pools!: Pools
  /** One connection of each user. */
  owners = new Map<string, object>(users.map((user) => [user, { user }]))
  readonly believed = new Set<Believed>()
  readonly waiting = new Map<number, { readonly user: string; readonly owner: object }>()
  lastToken = 0
  #asks = 0
  reopen!: () => Promise<Pools>

  holder(user: string): Holder {
    return { user, owner: this.owners.get(user) }
  }

  acquire(user: string, wish: { count: number; wait: number; ttl: number; detached: boolean }): void {
    const ask = ++this.#asks
    const owner = this.owners.get(user) as object
    this.waiting.set(ask, { user, owner })
    this.pools.acquire(this.holder(user), { pool: 'p', ...wish }).then(
      (view) => {
        assert.ok(view.token > this.lastToken, 'tokens grow')
        this.lastToken = view.token
        for (const earlier of this.waiting.keys()) assert.ok(earlier >= ask, 'nobody is passed over')
        this.waiting.delete(ask)
        this.believed.add({ view, user, owner, detached: wish.detached, askedAt: ask })
      },
      () => this.waiting.delete(ask),
    )
  }

  /** Lets everything settle, and checks what must hold. */
  async check(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
    // Who was served hears of it when the store has it.
    await eventually(() => this.pools.waiting === this.waiting.size, 'the answers of those who were served')
    const held = new Map<string, number>()
    for (const one of this.believed) {
      if (one.view.until <= this.clock.now()) this.believed.delete(one)
      else for (const { id } of one.view.resources) held.set(id, (held.get(id) ?? 0) + 1)
    }
    for (const { view } of this.believed) {
      assert.equal(new Set(view.resources.map(({ id }) => id)).size, view.resources.length, 'nothing is held twice')
    }
    for (const [id, count] of held) assert.equal(count, 1, `${id} has ${count} holders`)
    for (const pool of this.pools.all()) {
      const mine = [...pool.resources.values()]
      const taken = mine.filter(({ hold }) => hold !== undefined)
      assert.equal(pool.free + taken.length, mine.length, 'free and held are all')
      for (const resource of taken)
        assert.ok(resource.hold?.resources.includes(resource) && pool.holds.has(resource.hold))
      const [first] = pool.inLine()
      if (first !== undefined)
        assert.ok(first.count > pool.free, 'nobody waits while enough is free and nobody is ahead')
      assert.equal([...pool.inLine()].length, pool.waiting)
    }
    assert.equal(this.pools.waiting, this.waiting.size)
  }
}

type Step = (world: World) => Promise<unknown> | unknown

const anyUser = fc.constantFrom(...users)
const step: fc.Arbitrary<[string, Step]> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({
        user: anyUser,
        count: fc.integer({ min: 1, max: 3 }),
        wait: fc.constantFrom(0, 300, 2_000),
        ttl: fc.constantFrom(400, 3_000),
        detached: fc.boolean(),
      })
      .map(({ user, ...wish }): [string, Step] => [
        `${user} acquires ${JSON.stringify(wish)}`,
        (world) => world.acquire(user, wish),
      ]),
  },
  {
    weight: 4,
    arbitrary: fc.nat(5).map((pick): [string, Step] => [
      `release ${pick}`,
      async (world) => {
        const one = [...world.believed][pick]
        if (one === undefined) return
        world.believed.delete(one)
        await world.pools.release({ user: one.user, owner: one.owner }, one.view.hold).catch(ended)
      },
    ]),
  },
  fc.nat(5).map((pick): [string, Step] => [
    `renew ${pick}`,
    async (world) => {
      const one = [...world.believed][pick]
      if (one === undefined) return
      await assert.rejects(world.pools.renew({ user: 'mallory', owner: {} }, one.view.hold))
      await assert.rejects(
        world.pools.renew({ user: one.user, owner: one.owner }, one.view.hold, 900, one.view.token + 1),
      )
      const view = await world.pools.renew({ user: one.user, owner: one.owner }, one.view.hold, 900).catch(ended)
      world.believed.delete(one)
      if (view !== undefined) world.believed.add({ ...one, view })
    },
  ]),
  fc.record({ user: anyUser, clean: fc.boolean() }).map(({ user, clean }): [string, Step] => [
    `${user} is gone${clean ? ' with a goodbye' : ''}`,
    (world) => {
      const owner = world.owners.get(user) as object
      world.pools.gone(owner, clean)
      world.owners.set(user, { user })
      // Without a goodbye the client may come back to what it held within the grace; it does not rely on it.
      for (const one of [...world.believed]) if (one.owner === owner && !one.detached) world.believed.delete(one)
    },
  ]),
  fc.nat(5).map((pick): [string, Step] => [
    `attach ${pick}`,
    async (world) => {
      const pool = [...world.pools.all()][0]
      const hold = [...(pool?.holds ?? [])].filter(({ user }) => user === 'ann')[pick]
      if (hold === undefined || hold.ends <= world.clock.monotonic()) return
      const view = await world.pools.attach(world.holder('ann'), hold.id)
      const known = [...world.believed].some((one) => one.view.hold === view.hold)
      if (known || hold.token === 0) return
      world.believed.add({
        view,
        user: 'ann',
        owner: world.owners.get('ann') as object,
        detached: hold.detached,
        askedAt: 0,
      })
    },
  ]),
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(50, 399, 400, 1_000, 5_000)
      .map((ms): [string, Step] => [`after ${ms} ms`, (world) => world.clock.advance(ms)]),
  },
  fc
    .constantFrom(...resources)
    .map((id): [string, Step] => [`add ${id}`, (world) => world.pools.add('p', [{ id, data: { id } }])]),
  fc
    .constantFrom(...resources)
    .map((id): [string, Step] => [`remove ${id}`, (world) => world.pools.remove('p', [id]).catch(ended)]),
  fc.constant<[string, Step]>([
    'restart',
    async (world) => {
      for (const { owner } of world.waiting.values()) world.pools.dropWaiters(owner)
      await world.check()
      world.pools = await world.reopen()
      for (const one of world.believed) {
        const hold = [...world.pools.all()].flatMap((pool) => [...pool.holds]).find(({ id }) => id === one.view.hold)
        assert.ok(hold !== undefined && hold.token === one.view.token, 'holds survive a restart')
        if (!one.detached)
          await world.pools.attach({ user: one.user, owner: world.owners.get(one.user) }, one.view.hold)
        one.owner = world.owners.get(one.user) as object
      }
    },
  ]),
)

test('a resource never has two holders, tokens only grow, and nobody waits or is passed over without need', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World()
      const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)), fraction: () => 0.5 }
      const store = await reopenable(t, { world: { clock: world.clock, random }, durability: 'relaxed' })
      let engine = store.engine
      const open = () =>
        Pools.open(
          { store: engine.pools, clock: world.clock, random, onError: (error) => assert.fail(String(error)) },
          options,
        )
      world.reopen = async () => {
        world.pools.close()
        engine = await store.reopen()
        return open()
      }
      world.pools = await open()
      await world.pools.add(
        'p',
        resources.map((id) => ({ id })),
      )
      const done: string[] = []
      for (const [name, run] of steps) {
        done.push(name)
        try {
          await run(world)
          await world.check()
        } catch (error) {
          throw new Error(`after ${done.join('; ')}: ${(error as Error).message}`, { cause: error })
        }
      }
      world.pools.close()
      await engine.close()
    }),
    { numRuns: runs },
  )
})

/** The hold has ended by its time meanwhile, or the pool went with its last resource. */
function ended(error: { code?: string }): undefined {
  assert.equal(error.code, 'not-found')
}

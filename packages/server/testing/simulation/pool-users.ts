// Users of pools: they acquire some resources or wait for them, renew, release, forget, and vanish.

import type { Holding } from './history.ts'
import { RpcClient } from './rpc-client.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'
import { User } from './user.ts'

interface HoldAnswer {
  readonly hold: string
  readonly resources: readonly { readonly id: string }[]
  readonly token: number
  readonly until: string
}

export class PoolUser extends User {
  readonly #waits = { count: 0 }
  /** Held when the connection was lost. */
  #lost: Holding | undefined

  get pending(): string {
    return this.#waits.count === 0 ? '' : 'waits for resources'
  }

  protected async visit(): Promise<void> {
    const { simulation, chance, name } = this
    const rpc = chance.percent(50) ? await RpcClient.open(simulation, name) : RpcClient.overTcp(simulation)
    // Whoever waits in line is patient.
    rpc.patience = 14_000
    this.leaving = (politely) => (politely ? rpc.close() : rpc.vanish())
    if (this.#lost !== undefined) await this.#attach(rpc, this.#lost)
    while (!rpc.closed) {
      if (this.busy) await this.#use(rpc)
      await this.pause()
      if (this.busy && chance.percent(4)) rpc.vanish()
      if (this.busy && chance.percent(4)) rpc.close()
    }
  }

  async #use(rpc: RpcClient): Promise<void> {
    const { simulation, chance } = this
    const { pool, size } = simulation.plan.pools
    const wish = {
      pool,
      count: chance.between(1, Math.min(3, size)),
      ttl: chance.between(200, 4_000),
      wait: chance.pick([0, 500, 4_000]),
    }
    const holding = await this.#acquire(rpc, wish)
    if (holding === undefined) return
    await simulation.sleep(chance.between(1, wish.ttl))
    if (chance.percent(30)) {
      await this.#renew(rpc, holding)
      await simulation.sleep(chance.between(1, 2_000))
    }
    if (chance.percent(70)) await this.#release(rpc, holding)
    if (chance.percent(20)) await this.#check(rpc, holding)
  }

  async #acquire(rpc: RpcClient, wish: object): Promise<Holding | undefined> {
    const { simulation, name } = this
    this.#waits.count++
    const asked = simulation.now
    try {
      let holding: Holding | undefined
      await rpc.call('pools.acquire', wish, (answer: HoldAnswer) => {
        holding = this.#got(rpc, answer, asked, false)
      })
      return holding
    } catch (error) {
      if (error instanceof Refused) {
        if (error.code !== 'busy' && !error.unknown) simulation.history.wrong(`${name} acquires: ${error.message}`)
        return undefined
      }
      throw error
    } finally {
      this.#waits.count--
    }
  }

  #got(rpc: RpcClient, { hold, resources, token, until }: HoldAnswer, asked: number, attached: boolean): Holding {
    const { simulation, name } = this
    const { pool } = simulation.plan.pools
    const ids = resources.map(({ id }) => id)
    // Told of a connection that the server may have given up meanwhile: no certainty from then on.
    const certain = Math.min(this.#monotonic(until), rpc.carrier.line.brokenAt ?? Number.POSITIVE_INFINITY)
    const holding: Holding = {
      hold,
      pool,
      resources: ids,
      token,
      attached,
      asked,
      start: simulation.now,
      until: certain,
    }
    simulation.history.holdings.push(holding)
    simulation.note(name, `holds ${ids} ${token} until ${certain.toFixed(0)}`)
    void this.#watch(rpc, holding)
    return holding
  }

  /** A connection that ends takes its holds along. */
  async #watch(rpc: RpcClient, holding: Holding): Promise<void> {
    await rpc.ended()
    if (holding.until > this.simulation.now && this.busy) this.#lost = holding
    holding.until = Math.min(holding.until, rpc.carrier.line.brokenAt ?? this.simulation.now)
  }

  /** Its holds outlive a connection that was lost, for a while: whoever comes back in time has them again. */
  async #attach(rpc: RpcClient, { hold, token }: Holding): Promise<void> {
    this.#lost = undefined
    const { simulation } = this
    const asked = simulation.now
    try {
      await rpc.call('pools.attach', { hold }, (answer: HoldAnswer) => {
        if (answer.token !== token) simulation.history.wrong(`the hold ${hold} changed its token`)
        simulation.history.reached('hold taken over')
        this.#got(rpc, answer, asked, true)
      })
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (error.code !== 'not-found' && error.code !== 'forbidden') simulation.history.wrong(`attach: ${error.message}`)
    }
  }

  async #renew(rpc: RpcClient, holding: Holding): Promise<void> {
    const { simulation } = this
    const { hold, token } = holding
    const asked = simulation.now
    const ttl = 3_000
    const before = holding.until
    // As soon as it is asked for, it may end earlier than before.
    holding.until = Math.min(before, asked + ttl)
    try {
      await rpc.call('pools.renew', { hold, ttl, token }, (answer: HoldAnswer) => {
        holding.until = Math.min(this.#monotonic(answer.until), rpc.carrier.line.brokenAt ?? Number.POSITIVE_INFINITY)
        if (asked > before + 50) simulation.history.wrong(`the hold ${hold} was renewed after its end`)
        if (answer.token !== token) simulation.history.wrong(`the hold ${hold} changed its token`)
      })
    } catch (error) {
      if (error instanceof Lost) throw error
      if (!(error instanceof Refused)) throw error
      if (!['not-found', 'conflict'].includes(error.code)) simulation.history.wrong(`renew: ${error.message}`)
      if (error.code === 'not-found' && simulation.now < before) {
        simulation.history.wrong(`the hold ${hold} was gone ${before - simulation.now} ms before its end`)
      }
    }
  }

  async #release(rpc: RpcClient, holding: Holding): Promise<void> {
    const { simulation } = this
    const { hold } = holding
    holding.until = Math.min(holding.until, simulation.now)
    try {
      await rpc.call('pools.release', { hold })
      simulation.note(this.name, `released ${holding.token}`)
      // Once it is released it is nobody's: an old name changes nothing.
      await rpc.call('pools.renew', { hold, ttl: 3_000 })
      simulation.history.wrong(`the hold ${hold} was renewed after it was released`)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (error.code !== 'not-found') simulation.history.wrong(`release: ${error.message}`)
    }
  }

  async #check(rpc: RpcClient, holding: Holding): Promise<void> {
    const { simulation } = this
    const { pool, token } = holding
    const over = holding.until < simulation.now
    const resource = holding.resources[0] ?? ''
    const { held } = await rpc.call('pools.check', { pool, resource, token })
    const newer = simulation.history.holdings.some((one) => one.token > token && one.resources.includes(resource))
    if (held && over && newer) simulation.history.wrong(`${resource}: the old token ${token} counts as held`)
  }

  #monotonic(time: string): number {
    const { clock, now } = this.simulation
    return Date.parse(time) - clock.now() + now
  }
}

/** Makes the pool, and repeats until it is there. */
export async function makePool(simulation: Simulation): Promise<void> {
  const { pool, size } = simulation.plan.pools
  const resources = Array.from({ length: size }, (_, i) => `${pool}-${i}`)
  for (;;) {
    const rpc = await RpcClient.open(simulation, 'admin').catch(() => undefined)
    const made = await rpc?.call('pools.add', { pool, resources }).then(
      () => true,
      () => false,
    )
    rpc?.close()
    if (made === true) return
    await simulation.sleep(200)
  }
}

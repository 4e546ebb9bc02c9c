// What goes wrong, and when: each kind of fault that the plan has comes again and again, at random.

import type { Chance } from './chance.ts'
import type { Simulation } from './simulation.ts'

type Kind = keyof Simulation['plan']['faults']

export class Faults {
  readonly #simulation: Simulation
  readonly #chance: Chance
  /** When the next one of each kind comes. */
  readonly #next = new Map<Kind, number>()
  /** When the server starts again; undefined: it is up. */
  #startsAt: number | undefined
  readonly #behind = new WeakSet<object>()
  /** The life that is being stopped politely. */
  #stopping = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
    this.#chance = simulation.chance.fork('faults')
    for (const kind of Object.keys(simulation.plan.faults) as Kind[]) this.#schedule(kind)
  }

  /** Lets `ms` go by, with faults in it. */
  async pass(ms: number): Promise<void> {
    const { clock } = this.#simulation
    const end = clock.monotonic() + ms
    while (clock.monotonic() < end) {
      const nearest = Math.min(end, this.#startsAt ?? end, ...this.#next.values(), clock.monotonic() + 20)
      await clock.pass(Math.max(0, nearest - clock.monotonic()))
      await this.#due()
      this.#look()
    }
  }

  /** The store of the server that is up has failed, or it has stopped: its process ends. */
  ended(how: string): void {
    this.#simulation.note('faults', how)
    this.#simulation.life.kill()
    this.#startsAt = this.#simulation.now + this.#chance.between(10, 2_000)
  }

  /** No more faults; the server comes back if it is away. */
  async heal(): Promise<void> {
    this.#next.clear()
    const { life, clock } = this.#simulation
    while (this.#stopping === life.lives && this.#startsAt === undefined) await clock.pass(100)
    if (this.#startsAt !== undefined) await this.#start()
    if (life.disk !== undefined) life.disk.failing = false
  }

  async #due(): Promise<void> {
    const { now } = this.#simulation
    if (this.#startsAt !== undefined && this.#startsAt <= now) await this.#start()
    for (const [kind, at] of this.#next) {
      if (at > now) continue
      this.#schedule(kind)
      if (this.#startsAt === undefined && this.#stopping !== this.#simulation.life.lives) this.#happen(kind)
    }
  }

  async #start(): Promise<void> {
    this.#startsAt = undefined
    this.#simulation.note('faults', 'start')
    await this.#simulation.life.start()
  }

  #schedule(kind: Kind): void {
    const mean = this.#simulation.plan.faults[kind]
    if (mean > 0) this.#next.set(kind, this.#simulation.now + this.#chance.fraction() * 2 * mean)
  }

  #happen(kind: Kind): void {
    const { life, network, history } = this.#simulation
    this.#simulation.note('faults', kind)
    history.reached(kind)
    if (kind === 'kill') {
      if (life.disk?.committing === true) history.reached('commit under way at the kill')
      this.ended('killed')
    } else if (kind === 'cut') network.cutOne()
    else if (kind === 'freeze') network.freezeOne()
    else if (kind === 'disk' && life.disk !== undefined) life.disk.failing = true
    else if (kind === 'trim') this.#trim().catch(() => undefined)
    else if (kind === 'stop') this.#stop()
  }

  /** Who is over the limit of what may wait for a connection, and who came back below it. */
  #look(): void {
    const { life, history, plan } = this.#simulation
    const { outboxBytes = 0 } = plan.wishes
    for (const session of life.server?.registry.sessions ?? []) {
      if (session.outboxBytes >= outboxBytes) {
        if (!this.#behind.has(session)) history.reached('outbox limit')
        this.#behind.add(session)
      } else if (session.outboxBytes === 0 && this.#behind.delete(session)) history.reached('behind, and caught up')
    }
  }

  async #trim(): Promise<void> {
    const { life, history, plan } = this.#simulation
    const id = this.#chance.pick(plan.rooms.names)
    const { engine } = life
    const [state] = (await engine?.logs.states([{ kind: 'room', id }])) ?? []
    if (engine === undefined || state === undefined || state.head < 3) return
    const before = this.#chance.between(state.first, state.head)
    // It may happen although nobody hears that it did.
    history.trims.set(`room:${id}`, Math.max(history.trims.get(`room:${id}`) ?? 0, before - 1))
    await engine.logs.trim({ kind: 'room', id }, before)
  }

  #stop(): void {
    const { life } = this.#simulation
    const number = life.lives
    this.#stopping = number
    void life.server?.stop().then(() => {
      if (life.lives === number && this.#startsAt === undefined) this.ended('stopped')
    })
  }
}

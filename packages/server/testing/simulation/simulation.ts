// What everybody in a simulation has in common: time, chance, the network, what was seen, and how far it is.

import { createHash } from 'node:crypto'
import type { SimulatedClock } from '../clock.ts'
import type { Chance } from './chance.ts'
import { History } from './history.ts'
import type { Network } from './network.ts'
import type { ServerLife } from './server-life.ts'
import type { Plan } from './swarm.ts'

/** `harm`: faults happen. `healed`: none any more, what is pending is to be done. `over`: everybody leaves. */
export type Phase = 'harm' | 'healed' | 'over'

export class Simulation {
  phase: Phase = 'harm'
  readonly plan: Plan
  readonly clock: SimulatedClock
  readonly chance: Chance
  readonly network: Network
  readonly life: ServerLife
  readonly history = new History()
  readonly #hash = createHash('sha256')
  readonly #print: boolean
  #ids = 0

  constructor(plan: Plan, parts: Pick<Simulation, 'clock' | 'chance' | 'network' | 'life'>, print: boolean) {
    this.plan = plan
    this.clock = parts.clock
    this.chance = parts.chance
    this.network = parts.network
    this.life = parts.life
    this.#print = print
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.clock.monotonic()
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve))
  }

  /** Numbers that nobody else has. */
  next(): number {
    return ++this.#ids
  }

  /** One step of the trace, whose hash says whether two runs were the same. */
  note(who: string, what: string): void {
    const line = `${this.now.toFixed(3)} ${who} ${what}`
    this.#hash.update(`${line}\n`)
    if (this.#print) process.stdout.write(`${line.slice(0, 300)}\n`)
  }

  get traceHash(): string {
    return this.#hash.copy().digest('hex').slice(0, 16)
  }
}

/** The connection ended, or did not answer: the outcome is unknown. */
export class Lost extends Error {}

/** The server said no. */
export class Refused extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(`${code}: ${message}`)
    this.code = code
  }

  /** True: it did not happen, and may another time. */
  get passing(): boolean {
    return this.code === 'draining' || this.code === 'overloaded'
  }

  /** True: it may have happened all the same. */
  get unknown(): boolean {
    return this.code === 'unavailable' || this.code === 'timeout' || this.code === 'internal'
  }
}

// A user of the server: one connection after the other, whatever happens to them, until everybody leaves.

import type { Chance } from './chance.ts'
import type { Outcome, Sending, Try } from './history.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'

export abstract class User {
  readonly name: string
  readonly simulation: Simulation
  readonly chance: Chance
  /** Ends the connection that is there, with a goodbye or without. */
  protected leaving: ((politely: boolean) => void) | undefined

  constructor(simulation: Simulation, name: string) {
    this.simulation = simulation
    this.name = name
    this.chance = simulation.chance.fork(name)
  }

  /** What it still has to bring to an end once faults are over; '' when there is nothing. */
  abstract get pending(): string

  /** One connection, from its beginning to its end. */
  protected abstract visit(): Promise<void>

  async run(): Promise<void> {
    const { simulation, chance } = this
    await simulation.sleep(chance.between(0, 200))
    while (simulation.phase !== 'over') {
      try {
        await this.visit()
      } catch (error) {
        if (!(error instanceof Lost || error instanceof Refused)) simulation.history.wrong((error as Error).stack ?? '')
        else simulation.note(this.name, error.message)
      }
      // Whoever was refused something goes all the same.
      this.leaving?.(true)
      this.leaving = undefined
      await simulation.sleep(chance.between(20, simulation.phase === 'harm' ? 1_500 : 300))
    }
  }

  leave(): void {
    this.leaving?.(this.chance.percent(50))
  }

  /** Whether it makes new work. */
  protected get busy(): boolean {
    return this.simulation.phase === 'harm'
  }

  /** A pause between two things that it does. */
  protected pause(): Promise<void> {
    return this.simulation.sleep(this.busy ? this.chance.between(1, this.simulation.plan.paceMs) : 300)
  }
}

interface Stored {
  readonly id: string
  readonly offset: number
  readonly repeated: boolean
}

/** What a user sends, and sends again until it knows. */
export class Outgoing {
  /** To be sent again. */
  readonly unsettled: Sending[] = []
  readonly #simulation: Simulation

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  compose(wish: Pick<Sending, 'service' | 'from' | 'to'>, named: boolean, length: number): Sending {
    const number = this.#simulation.next()
    const text = `${wish.from} ${number} ${'.'.repeat(length)}`
    const sending: Sending = { ...wish, clientId: named ? `c${number}` : undefined, text, tries: [] }
    this.#simulation.history.sendings.push(sending)
    return sending
  }

  /** One try. Resolves when its outcome is known, or cannot be. */
  async send(sending: Sending, connection: number, call: () => Promise<Stored | undefined>): Promise<void> {
    const { history, life, now } = this.#simulation
    const attempt: Try = { start: now, connection, life: life.lives, outcome: 'unknown' }
    sending.tries.push(attempt)
    try {
      const stored = await call()
      Object.assign(attempt, { outcome: 'ok' satisfies Outcome, ...stored })
      if (stored?.repeated === true && sending.tries[0]?.life !== attempt.life) history.reached('repeat after a crash')
    } catch (error) {
      if (error instanceof Refused && !error.unknown) attempt.outcome = 'fail'
      else if (!(error instanceof Lost || error instanceof Refused)) throw error
    }
    attempt.end = this.#simulation.now
    const known = this.unsettled.indexOf(sending)
    if (attempt.outcome === 'unknown' && sending.clientId !== undefined) {
      if (known < 0) this.unsettled.push(sending)
    } else if (known >= 0) this.unsettled.splice(known, 1)
    this.#simulation.note(sending.from, `${sending.text.slice(0, 30)} ${attempt.outcome} ${attempt.offset ?? ''}`)
  }
}

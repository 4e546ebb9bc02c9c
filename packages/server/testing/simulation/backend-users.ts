// The application's own backend: batches of messages and tasks over HTTP, all of which happen or none, repeated until it knows.

import type { Adding, Outcome, Sending, Try } from './history.ts'
import { Lost, Refused } from './simulation.ts'
import { User } from './user.ts'
import { request } from './web-socket.ts'

interface Batch {
  readonly operations: object[]
  readonly parts: (Sending | Adding)[]
}

export class Backend extends User {
  #open: Batch | undefined

  get pending(): string {
    return this.#open === undefined ? '' : 'a batch is not confirmed'
  }

  protected async visit(): Promise<void> {
    while (this.simulation.phase !== 'over') {
      if (this.busy) this.#open ??= this.#compose()
      if (this.#open !== undefined) await this.#send(this.#open)
      await this.pause()
    }
  }

  #compose(): Batch {
    const { simulation, chance, name } = this
    const { plan, history } = simulation
    const batch: Batch = { operations: [], parts: [] }
    for (let i = chance.between(2, 5); i > 0; i--) {
      const number = simulation.next()
      const [clientId, message] = [`b${number}`, `${name} ${number} `]
      const kind = chance.pick(['user', 'room', 'task'])
      if (kind === 'task' && plan.tasks.adders > 0) {
        const queue = chance.pick(plan.tasks.queues)
        const task = { payload: { key: clientId }, queue, key: clientId, maxAttempts: 2, lease: plan.tasks.leaseMs }
        const adding: Adding = { key: clientId, maxAttempts: 2, tries: [] }
        history.addings.push(adding)
        batch.operations.push({ task })
        batch.parts.push(adding)
        continue
      }
      const direct = kind === 'user' && plan.direct.users.length > 0
      const [from, to] = direct ? [name, chance.pick(plan.direct.users)] : ['admin', chance.pick(plan.rooms.names)]
      const service = direct ? 'direct' : 'rooms'
      const sending: Sending = { service, from, to, clientId, text: message, tries: [] }
      history.sendings.push(sending)
      const user = { fromUser: from, toUser: to, message, id: clientId }
      batch.operations.push(direct ? { user } : { room: { room: to, from, message, clientId } })
      batch.parts.push(sending)
    }
    history.batches.push(batch.parts)
    return batch
  }

  async #send({ operations, parts }: Batch): Promise<void> {
    const { simulation, name } = this
    const connection = simulation.next()
    const tries = parts.map((part) => {
      const attempt: Try = { start: simulation.now, connection, life: simulation.life.lives, outcome: 'unknown' }
      part.tries.push(attempt)
      return attempt
    })
    try {
      const { results } = await request(simulation, 'POST', `/batch?user=${name}`, { operations })
      for (const [i, attempt] of tries.entries()) {
        const { id, offset, repeated } = results[i]
        Object.assign(attempt, { outcome: 'ok' satisfies Outcome, end: simulation.now, id, offset, repeated })
      }
      simulation.note(name, `stored ${results.map(({ id }: { id: string }) => id)}`)
      this.#open = undefined
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Refused)) throw error
      if (error instanceof Lost || error.unknown) return
      for (const attempt of tries) attempt.outcome = 'fail'
      if (error.passing) return
      simulation.history.wrong(`${name}: ${error.message}`)
      this.#open = undefined
    }
  }
}

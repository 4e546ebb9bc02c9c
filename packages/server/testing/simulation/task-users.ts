// Adders, who repeat under the same key until they know, and workers, over streams of events and over rpc, who report well, late,
// twice, wrongly, or never.

import type { Adding, LeaseSeen, Outcome, Reporting, Try } from './history.ts'
import { RpcClient } from './rpc-client.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'
import { User } from './user.ts'
import { EventStream, request } from './web-socket.ts'

export class Adder extends User {
  readonly #unsettled: { adding: Adding; task: object }[] = []

  get pending(): string {
    return this.#unsettled.length === 0 ? '' : `${this.#unsettled.length} tasks not confirmed`
  }

  protected async visit(): Promise<void> {
    while (this.simulation.phase !== 'over') {
      if (this.busy && this.#unsettled.length === 0) this.#compose()
      const [first] = this.#unsettled
      if (first !== undefined) await this.#add(this.#unsettled.slice(0, 5))
      // Adding is quicker than working.
      await this.simulation.sleep(this.chance.between(20, 1_500))
    }
  }

  #compose(): void {
    const { chance, simulation } = this
    const { queues, leaseMs } = simulation.plan.tasks
    for (let i = chance.between(1, 4); i > 0; i--) {
      const key = `k${simulation.next()}`
      const maxAttempts = chance.between(1, 4)
      const adding: Adding = { key, maxAttempts, tries: [] }
      const task = {
        ...{
          payload: { key },
          queue: chance.pick(queues),
          key,
          maxAttempts,
          lease: leaseMs,
          backoff: chance.between(0, 500),
        },
        ...(chance.percent(30) ? { delay: chance.between(1, 2_000) } : {}),
        ...(chance.percent(50) ? { group: `g${chance.between(1, 3)}` } : {}),
        ...(chance.percent(20) ? { priority: chance.between(-2, 2) } : {}),
      }
      simulation.history.addings.push(adding)
      this.#unsettled.push({ adding, task })
    }
  }

  async #add(batch: readonly { adding: Adding; task: object }[]): Promise<void> {
    const { simulation, name } = this
    const tries = batch.map(({ adding }) => {
      const attempt: Try = { start: simulation.now, connection: 0, life: simulation.life.lives, outcome: 'unknown' }
      adding.tries.push(attempt)
      return attempt
    })
    try {
      const { tasks } = await request(
        simulation,
        'POST',
        `/tasks?user=${name}`,
        batch.map(({ task }) => task),
      )
      for (const [i, attempt] of tries.entries()) {
        Object.assign(attempt, { outcome: 'ok' satisfies Outcome, end: simulation.now, ...tasks[i] })
        const first = batch[i]?.adding.tries[0]
        if (attempt.repeated === true && first?.life !== attempt.life)
          simulation.history.reached('repeat after a crash')
      }
      this.#unsettled.splice(0, batch.length)
      simulation.note(name, `added ${tasks.map(({ id }: { id: string }) => id)}`)
    } catch (error) {
      if (error instanceof Refused && !error.unknown) {
        for (const attempt of tries) attempt.outcome = 'fail'
        if (error.passing) return
        simulation.history.wrong(`${name}: ${error.message}`)
        this.#unsettled.splice(0, batch.length)
      } else if (!(error instanceof Lost || error instanceof Refused)) throw error
    }
  }
}

/** What a worker does with a task. */
type Manner = 'well' | 'late' | 'twice' | 'bare' | 'fail' | 'never' | 'wrongly' | 'renews'

interface Given {
  readonly id: string
  readonly attempt: number
  readonly token: string
  readonly deadline: string
}

export class Worker extends User {
  readonly #queue: string
  readonly #streams: boolean
  #rpc: RpcClient | undefined

  constructor(simulation: Simulation, name: string, queue: string, streams: boolean) {
    super(simulation, name)
    this.#queue = queue
    this.#streams = streams
  }

  get pending(): string {
    return ''
  }

  protected visit(): Promise<void> {
    return this.#streams ? this.#stream() : this.#overRpc()
  }

  async #stream(): Promise<void> {
    const { simulation, chance, name } = this
    const size = chance.between(1, 4)
    const stream = new EventStream(simulation, `/task?batchsize=${size}&queue=${this.#queue}&user=${name}`)
    this.leaving = () => stream.line.reset()
    stream.onEvent = ({ name: event, data }) => {
      const { Id: id, Attempt: attempt, Token: token, Deadline: deadline } = JSON.parse(data)
      if (event === 'lease-lost') return this.#lost(id, token)
      this.#take(stream.number, [{ id, attempt, token, deadline }], size)
    }
    const vanish = chance.percent(30) ? chance.between(500, 10_000) : 60_000
    const gone = simulation.clock.after(vanish, () => this.busy && stream.line.reset())
    const watch = simulation.clock.every(1_000, () => {
      if (simulation.now - stream.heardAt > 12_000) stream.line.reset()
    })
    await new Promise<void>((resolve) => {
      stream.onClosed = resolve
    })
    gone.cancel()
    watch.cancel()
    this.#abandoned(stream.number)
  }

  async #overRpc(): Promise<void> {
    const { simulation, chance, name } = this
    const size = chance.between(1, 4)
    const rpc = await RpcClient.open(simulation, name)
    this.#rpc = rpc
    this.leaving = (politely) => (politely ? rpc.close() : rpc.vanish())
    rpc.onNotified = (method, params) => {
      if (method === 'tasks.batch') this.#take(rpc.number, params.tasks, size)
      if (method === 'tasks.lost') this.#lost(params.id, params.token)
    }
    await rpc.call('tasks.work', { queue: this.#queue, batch: size })
    await rpc.ended()
    this.#abandoned(rpc.number)
  }

  #take(connection: number, tasks: readonly Given[], size: number): void {
    const { simulation, name } = this
    const { history, plan } = simulation
    for (const { id, attempt, token, deadline } of tasks) {
      const ends = Date.parse(deadline) - simulation.clock.now() + simulation.now
      const begun = ends - plan.tasks.leaseMs
      const given = { task: id, attempt, token, worker: name, connection, at: simulation.now }
      const seen: LeaseSeen = { ...given, begun, ends, batch: deadline, size }
      history.leases.push(seen)
      simulation.note(name, `got ${id} ${token}`)
      void this.#work(seen)
    }
  }

  async #work(lease: LeaseSeen): Promise<void> {
    const { simulation, chance } = this
    const { leaseMs } = simulation.plan.tasks
    const harmful: Manner[] = [
      'well',
      'well',
      'well',
      'late',
      'twice',
      'bare',
      'fail',
      'fail',
      'never',
      'wrongly',
      'renews',
    ]
    const manner = this.busy ? chance.pick(harmful) : 'well'
    if (manner === 'never') return
    const longest = this.busy ? leaseMs * 0.7 : 100
    await simulation.sleep(manner === 'late' ? leaseMs + chance.between(-20, 800) : chance.between(0, longest))
    if (manner === 'renews') {
      await this.#extend(lease)
      await simulation.sleep(chance.between(0, leaseMs))
    }
    if (manner === 'wrongly') await this.#report(lease, 'done', '77.zz')
    const kind = manner === 'fail' ? 'failed' : 'done'
    await this.#report(lease, kind, manner === 'bare' ? undefined : lease.token)
    if (manner === 'twice') await this.#report(lease, chance.pick(['done', 'failed']), lease.token)
  }

  async #extend(lease: LeaseSeen): Promise<void> {
    const { simulation } = this
    const { task: id, token } = lease
    const asked = simulation.now
    // From now on nobody but the server knows when it ends; it is not before it was.
    try {
      const { until } = await (this.#rpc?.closed === false
        ? this.#rpc.call('tasks.extend', { id, token })
        : request(simulation, 'POST', `/tasks/${id}/extend`, { token }))
      lease.ends = Math.max(lease.ends, Date.parse(until) - simulation.clock.now() + simulation.now)
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Refused)) throw error
      simulation.note(this.name, `extend of ${id} at ${asked}: ${error.message}`)
    }
  }

  async #report(lease: LeaseSeen, kind: 'done' | 'failed', token: string | undefined): Promise<void> {
    const { simulation, name } = this
    const { task: id } = lease
    for (let i = 0; i < 20; i++) {
      const report: Reporting = { task: id, token, kind, start: simulation.now, life: simulation.life.lives }
      simulation.history.reports.push(report)
      const body = { [kind]: [token === undefined ? id : { id, token }] }
      try {
        const rpc = this.#rpc
        const answer = await (rpc?.closed === false
          ? rpc.call('tasks.report', body)
          : request(simulation, 'POST', '/report', body))
        report.end = simulation.now
        report.answer = answer.outcomes?.[id] ?? (kind === 'done' ? 'done' : 'failed')
        simulation.note(name, `reported ${id} ${token} ${kind}: ${report.answer}`)
        const inFlight = token === lease.token && report.start <= lease.ends && report.end > lease.ends
        if (inFlight) simulation.history.reached('lease over while its report was under way')
        return
      } catch (error) {
        if (!(error instanceof Lost || error instanceof Refused)) throw error
        if (this.chance.percent(simulation.phase === 'harm' ? 20 : 0)) return
        await simulation.sleep(this.chance.between(50, 500))
      }
    }
  }

  #lost(id: string, token: string): void {
    const lease = this.simulation.history.leases.find((one) => one.task === id && one.token === token)
    if (lease !== undefined) lease.over ??= this.simulation.now
    this.simulation.note(this.name, `lost ${id} ${token}`)
  }

  #abandoned(connection: number): void {
    for (const lease of this.simulation.history.leases) {
      if (lease.connection === connection) lease.over ??= this.simulation.now
    }
  }
}

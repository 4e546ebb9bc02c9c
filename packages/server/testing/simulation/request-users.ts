// Who asks over TCP, in the plain dialect, and who answers: executors of the server's own program, and executors that are
// connected over TCP and may vanish.

import type { Server } from '../../src/server.ts'
import { sleep } from '../../src/world.ts'
import type { Asking, Execution } from './history.ts'
import { RpcClient } from './rpc-client.ts'
import type { Simulation } from './simulation.ts'
import { largeAnswer, largeType } from './sleepers.ts'
import { TcpClient } from './tcp-values.ts'
import { User } from './user.ts'

/** `remote` is answered by connected executors alone, `none` by nobody. */
const ownTypes = ['quick', 'slow', 'throws', 'hangs'] as const
const types = [...ownTypes, 'remote', 'none'] as const

interface Question {
  readonly text: string
  readonly asker: number
}

interface Reply {
  readonly type: string
  readonly queryIndex: number
  readonly resultJob: unknown
}

/** Registers the executors of the program that the server is a part of. */
export function handleRequests(simulation: Simulation, server: Server): void {
  const { history, life, plan } = simulation
  const { clock } = life
  if (clock === undefined) return
  server.requests.handle(largeType, () => largeAnswer)
  for (const type of ownTypes) {
    const chance = simulation.chance.fork(`executor ${type} ${life.lives}`)
    server.requests.handle(type, async (payload) => {
      const { text, asker } = payload as Question
      const execution: Execution = { type, text, asker, life: life.lives, start: simulation.now, end: undefined }
      history.executions.push(execution)
      const hangs = type === 'hangs' && simulation.phase === 'harm' && chance.percent(30)
      await sleep(clock, hangs ? plan.requestMs * 2 : type === 'quick' ? 1 : chance.between(1, 40))
      execution.end = simulation.now
      if (type === 'throws') throw new Error(`no ${text}`)
      return { echo: text }
    })
  }
}

export class Asker extends User {
  readonly #open = new Set<Asking>()

  get pending(): string {
    return this.#open.size === 0 ? '' : `${this.#open.size} requests without an answer`
  }

  protected async visit(): Promise<void> {
    const { simulation, chance } = this
    const client = new TcpClient(simulation, chance.pick(['\n', '🦀']))
    let over: () => void = () => undefined
    const closed = new Promise<void>((resolve) => {
      over = resolve
    })
    client.onClosed = () => {
      for (const asking of this.#open) asking.dropped = true
      this.#open.clear()
      over()
    }
    this.leaving = (politely) => (politely ? client.close() : client.line.reset())
    const byIndex = new Map<number, Asking>()
    client.onMessage = (value) => this.#hear(client, byIndex, JSON.parse(value.toString()))
    const watch = simulation.clock.every(4_000, () => {
      if (simulation.now - client.heardAt > 12_000) client.line.reset()
      else client.send('{"type":"ping","queryIndex":0}')
    })
    for (let index = 1; !client.closed && index < 200; ) {
      for (let burst = chance.percent(30) ? chance.between(2, 10) : 1; burst > 0 && this.busy; burst--) {
        this.#ask(client, index++, byIndex)
      }
      await this.pause()
      if (this.busy && chance.percent(2)) client.line.reset()
    }
    await closed
    watch.cancel()
  }

  #ask(client: TcpClient, index: number, byIndex: Map<number, Asking>): void {
    const { simulation, chance } = this
    const text = `q${simulation.next()}`
    const type = chance.pick(types)
    const goneAt = (): number => client.line.serverGoneAt ?? Number.POSITIVE_INFINITY
    const given = { connection: client.number, index, type, text, at: simulation.now }
    const asking: Asking = { ...given, answers: [], dropped: false, goneAt }
    simulation.history.asked.push(asking)
    byIndex.set(index, asking)
    this.#open.add(asking)
    client.send(JSON.stringify({ type, queryIndex: index, payload: { text, asker: client.number } satisfies Question }))
  }

  #hear(client: TcpClient, byIndex: Map<number, Asking>, reply: Reply): void {
    if (reply.type === 'ping') return
    if (reply.type === 'errMsgFromClient' && JSON.stringify(reply).includes('stopping')) return client.line.reset()
    const asking = byIndex.get(reply.queryIndex)
    if (asking === undefined || asking.type !== reply.type) {
      this.simulation.history.wrong(`${this.name} heard what it did not ask: ${JSON.stringify(reply)}`)
      return
    }
    asking.answers.push(reply.resultJob)
    this.#open.delete(asking)
    this.simulation.note(this.name, `${asking.text} ${JSON.stringify(reply.resultJob)}`)
  }
}

/** Answers `remote` over TCP. */
export class RemoteExecutor extends User {
  get pending(): string {
    return ''
  }

  protected async visit(): Promise<void> {
    const { simulation, chance } = this
    const rpc = RpcClient.overTcp(simulation)
    this.leaving = (politely) => (politely ? rpc.close() : rpc.vanish())
    const running = new Set<Execution>()
    rpc.onNotified = (method, params) => {
      if (method === 'requests.execute') void this.#execute(rpc, params, running)
    }
    await rpc.call('requests.execute', { type: 'remote' })
    const gone = simulation.clock.after(chance.between(1_000, 15_000), () => this.busy && rpc.vanish())
    await rpc.ended()
    gone.cancel()
    for (const execution of running)
      execution.end = Math.min(simulation.now, rpc.carrier.line.brokenAt ?? simulation.now)
  }

  async #execute(
    rpc: RpcClient,
    { id, type, payload }: { id: number; type: string; payload: Question },
    running: Set<Execution>,
  ): Promise<void> {
    const { simulation, chance } = this
    const { text, asker } = payload
    const execution: Execution = {
      type,
      text,
      asker,
      life: simulation.life.lives,
      start: simulation.now,
      end: undefined,
    }
    simulation.history.executions.push(execution)
    running.add(execution)
    await simulation.sleep(chance.between(1, 60))
    if (rpc.closed || !running.delete(execution)) return
    execution.end = simulation.now
    await rpc
      .call('requests.result', chance.percent(80) ? { id, result: { echo: text } } : { id, error: `no ${text}` })
      .catch(() => undefined)
  }
}

// Who asks for much and reads nothing, ever: the server has to let go of such a connection in its time, whatever carries it.

import type { Line } from './network.ts'
import { RpcClient } from './rpc-client.ts'
import { TcpClient } from './tcp-values.ts'
import { User } from './user.ts'

/** For what is looked at only so often, and for the way. */
const leisureMs = 5_000

/** The type of request whose answers are large. */
export const largeType = 'large'
export const largeAnswer = 'x'.repeat(20_000)

export class Sleeper extends User {
  get pending(): string {
    return ''
  }

  protected async visit(): Promise<void> {
    const { simulation, chance } = this
    const { plan, history, life } = simulation
    const line = await this.#ask(chance.percent(50))
    const { lives } = life
    line.pause()
    let left = false
    this.leaving = () => {
      left = true
      line.reset()
    }
    const { stallMs = 0, pongMs = 0 } = plan.wishes
    await simulation.sleep(stallMs + pongMs + leisureMs)
    const kept = line.serverGoneAt === undefined && line.brokenAt === undefined && !left
    if (kept && life.lives === lives && life.server !== undefined) {
      history.wrong(`${this.name} has read nothing for ${stallMs + pongMs + leisureMs} ms, and its connection is kept`)
    } else if (!left && line.serverGoneAt !== undefined) history.reached('who reads nothing is let go')
    line.reset()
  }

  async #ask(tcp: boolean): Promise<Line> {
    const count = 2 + Math.ceil((this.simulation.plan.network.windowBytes + 64_000) / largeAnswer.length)
    if (tcp) {
      const client = new TcpClient(this.simulation, '\n')
      for (let index = 1; index <= count; index++) {
        client.send(JSON.stringify({ type: largeType, queryIndex: index, payload: {} }))
      }
      return client.line
    }
    const rpc = await RpcClient.open(this.simulation, this.name)
    for (let index = 1; index <= count; index++)
      void rpc.call('requests.call', { type: largeType }).catch(() => undefined)
    return rpc.carrier.line
  }
}

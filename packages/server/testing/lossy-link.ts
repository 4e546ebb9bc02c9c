// A line of TCP between a node and its database that breaks at the worst moments: just before a statement, in the middle of it,
// just after it was sent, and when its answer comes. Which one, and when, is drawn from a seed.

import { type AddressInfo, createServer, connect as open, type Server, type Socket } from 'node:net'
import { seeded } from './store-image.ts'

/** `before`: it does not get there. `half`: a part of it does. `after`: it does, nobody waits. `answer`: its answer is lost. */
export type Loss = 'before' | 'half' | 'after' | 'answer'

const losses: readonly Loss[] = ['before', 'half', 'after', 'answer']

/** What a connection sends before its first statement. */
const greetings = 2

export class LossyLink {
  /** How often each thing was done. */
  readonly done: Record<Loss, number> = { before: 0, half: 0, after: 0, answer: 0 }
  /** One in so many statements is harmed; 0: none. */
  every = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #chance: () => number

  private constructor(port: number, seed: number) {
    this.#chance = seeded(seed)
    this.#server = createServer((near) => this.#join(near, open(port, '127.0.0.1')))
  }

  /** Leads to a port of this machine; closed with the test. Does no harm until it is told to. */
  static async start(t: { after(end: () => void): void }, port: number, seed: number): Promise<LossyLink> {
    const link = new LossyLink(port, seed)
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      link.#server.close()
      for (const socket of link.#sockets) socket.destroy()
    })
    return link
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #join(near: Socket, far: Socket): void {
    let sent = 0
    let loseAnswer = false
    const cut = (): void => {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (chunk: Buffer) => {
      const harmed = ++sent > greetings && this.every > 0 && this.#chance() < 1 / this.every
      if (!harmed || loseAnswer) return void far.write(chunk)
      const loss = losses[Math.floor(this.#chance() * losses.length)] ?? 'before'
      this.done[loss]++
      if (loss === 'before') return cut()
      loseAnswer = loss === 'answer'
      const part = loss === 'half' ? chunk.subarray(0, Math.ceil(chunk.length / 2)) : chunk
      far.write(part, () => {
        if (!loseAnswer) cut()
      })
    })
    far.on('data', (chunk: Buffer) => {
      if (loseAnswer) cut()
      else near.write(chunk)
    })
  }
}

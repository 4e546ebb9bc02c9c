// A listener without a library that would repair anything: it follows a log over one node, goes on from its last position when
// the connection was lost, and keeps what it was told, as it was told.

import { Client } from './client.ts'
import type { NodeProcess } from './node-process.ts'
import { pause, type Target } from './writer.ts'

export interface Heard {
  readonly offset: number
  readonly id: string
}

export class Listener {
  readonly target: Target
  readonly user: string
  readonly heard: Heard[] = []
  /** What was not in order, came twice, or could not be recovered. */
  readonly violations: string[] = []
  /** Connections after the first one. */
  reconnects = 0
  /** How late something came at most, after it was written, milliseconds. */
  latest = 0
  readonly #node: NodeProcess
  #epoch: string | undefined
  #client: Client | undefined
  #joined = false
  #over = false

  private constructor(target: Target, user: string, node: NodeProcess) {
    this.target = target
    this.user = user
    this.#node = node
  }

  /** Follows from now on. Resolves when it has joined. */
  static async start(target: Target, user: string, node: NodeProcess): Promise<Listener> {
    const listener = new Listener(target, user, node)
    void listener.#run()
    while (!listener.#joined) await pause(10)
    return listener
  }

  get head(): number {
    return this.heard.at(-1)?.offset ?? 0
  }

  end(): void {
    this.#over = true
    this.#client?.terminate()
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      try {
        await this.#follow()
      } catch {
        // The node is not there, or the store behind it.
      }
      this.#client?.terminate()
      await pause(50)
    }
  }

  async #follow(): Promise<void> {
    const path = `/ws?user=${this.user}`
    const client = await Client.open(this.#node.url.replace('http', 'ws') + path, { protocols: ['nitka.rpc.v1'] })
    this.#client = client
    const joined = await this.#join(client)
    if (this.#joined) this.reconnects++
    if (!joined.recovered) this.violations.push(`not recovered: ${JSON.stringify(joined.missing)}`)
    this.#epoch = joined.epoch
    for (const entry of joined.entries ?? joined.messages) this.#take(entry)
    this.#joined = true
    const drain = (): void => {
      for (const text of client.arrived.splice(0)) this.#hear(JSON.parse(text.toString()))
    }
    client.ws.on('message', drain)
    drain()
    await client.closed
  }

  #join(client: Client): Promise<any> {
    const { offset, id } = this.heard.at(-1) ?? { offset: 0, id: '' }
    const since = { since: { offset, id, epoch: this.#epoch } }
    const { kind, id: log } = this.target
    if (kind === 'user') return client.call('direct.resume', since)
    return client.call('rooms.join', { room: log, ...since })
  }

  #hear({ method, params }: { method: string; params: any }): void {
    if (method === (this.target.kind === 'room' ? 'rooms.message' : 'direct.message')) this.#take(params)
    else if (method === 'session.missing') this.violations.push(`missing: ${JSON.stringify(params)}`)
  }

  #take({ offset, id, time }: { offset: number; id: string; time: string }): void {
    if (offset !== this.head + 1) this.violations.push(`offset ${offset} after ${this.head}`)
    this.latest = Math.max(this.latest, Date.now() - Date.parse(time))
    this.heard.push({ offset, id })
  }
}

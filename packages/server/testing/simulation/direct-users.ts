// Users of direct messages: with rpc and a position of their own, with rpc and confirmations, with the plain dialect, confirming
// or only listening. All of them send, too.

import type { Entry, Hearing, Sending } from './history.ts'
import { RpcClient } from './rpc-client.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'
import { Outgoing, User } from './user.ts'
import { WebSocketClient } from './web-socket.ts'

/** As the server writes it. */
interface Message {
  readonly offset: number
  readonly id: string
  readonly fromUser: string
  readonly toUser: string
  readonly message: string
}

export function entryOf({ offset, id, fromUser, toUser, message }: Message): Entry {
  return { offset, id, from: String(fromUser), to: String(toUser), text: message }
}

/** How long a confirmation may take to be on disk. */
const knownMs = 2_500

abstract class Writer extends User {
  protected readonly outgoing: Outgoing

  constructor(simulation: Simulation, name: string) {
    super(simulation, name)
    this.outgoing = new Outgoing(simulation)
  }

  get pending(): string {
    const { length } = this.outgoing.unsettled
    return length === 0 ? '' : `${length} messages unsettled`
  }

  protected abstract send(sending: Sending): Promise<void>

  /** Sends what is unsettled, then, while it is busy, new messages. */
  protected async write(closed: () => boolean): Promise<void> {
    const { chance, simulation } = this
    const { users, bytes } = simulation.plan.direct
    while (!closed()) {
      for (const sending of [...this.outgoing.unsettled]) await this.send(sending)
      const burst = chance.percent(20) ? chance.between(2, 6) : 1
      const sent: Promise<void>[] = []
      for (let i = 0; i < burst && this.busy; i++) {
        const wish = { service: 'direct', from: this.name, to: chance.pick(users) } as const
        sent.push(this.send(this.outgoing.compose(wish, chance.percent(70), chance.between(0, bytes))))
      }
      await Promise.all(sent)
      await this.pause()
    }
  }

  protected hearing(connection: number, after: number | undefined, whole: boolean): Hearing {
    const log = `user:${this.name}`
    const hearing: Hearing = { reader: this.name, log, connection, after, whole, trimmed: 0, entries: [] }
    this.simulation.history.hearings.push(hearing)
    return hearing
  }

  protected hear(hearing: Hearing, message: Message): void {
    hearing.entries.push(entryOf(message))
    this.simulation.note(this.name, `heard ${message.offset} ${message.id}`)
  }
}

export class RpcPerson extends Writer {
  readonly #device: string
  #rpc: RpcClient | undefined
  #position: { epoch: string; offset: number; id: string } | undefined
  #confirmed = 0

  /** @param device of a user who confirms; '' keeps a position of their own */
  constructor(simulation: Simulation, name: string, device: string) {
    super(simulation, name)
    this.#device = device
  }

  protected async visit(): Promise<void> {
    const rpc = await RpcClient.open(this.simulation, this.name, this.#device)
    this.#rpc = rpc
    this.leaving = (politely) => (politely ? rpc.close() : rpc.vanish())
    await this.#follow(rpc)
    await Promise.all([this.write(() => rpc.closed), this.#device === '' ? undefined : this.#confirm(rpc)])
  }

  protected send(sending: Sending): Promise<void> {
    const rpc = this.#rpc as RpcClient
    const { to, text: message, clientId } = sending
    return this.outgoing.send(sending, rpc.number, () =>
      rpc.call('direct.send', { to, message, ...(clientId === undefined ? {} : { clientId }) }),
    )
  }

  async #follow(rpc: RpcClient): Promise<void> {
    const since = this.#device === '' ? { since: this.#position ?? { offset: 0 } } : { pending: true }
    let hearing: Hearing | undefined
    let epoch = ''
    const take = (message: Message): void => {
      if (hearing === undefined) return this.simulation.history.wrong(`${this.name} heard before it was answered`)
      this.hear(hearing, message)
      this.#position = { epoch, offset: message.offset, id: message.id }
    }
    rpc.onNotified = (method, params) => {
      if (method === 'direct.message') take(params)
    }
    await rpc.call('direct.resume', since, (result) => {
      if (!result.recovered) this.simulation.history.wrong(`${this.name}: not recovered, ${JSON.stringify(result)}`)
      const { from, messages } = result
      epoch = result.epoch
      if (from !== undefined && from < this.#confirmed) {
        this.simulation.history.wrong(`${this.name}: pending from ${from}, confirmed ${this.#confirmed}`)
      }
      const got = this.#position?.offset ?? 0
      if (from > got) {
        this.simulation.history.wrong(`${this.name}: pending from ${from}, and it confirms and has got ${got}`)
      }
      hearing = this.hearing(rpc.number, from ?? this.#position?.offset ?? 0, true)
      for (const message of messages) take(message)
    })
  }

  async #confirm(rpc: RpcClient): Promise<void> {
    while (!rpc.closed) {
      await this.simulation.sleep(this.chance.between(50, 800))
      const offset = this.#position?.offset ?? 0
      if (offset === 0) continue
      await rpc.call('direct.ack', { offset })
      this.#confirmed = Math.max(this.#confirmed, offset)
    }
  }
}

interface Unanswered {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class PlainPerson extends Writer {
  readonly #confirms: boolean
  #client: WebSocketClient | undefined
  #unanswered: Unanswered[] = []

  constructor(simulation: Simulation, name: string, confirms: boolean) {
    super(simulation, name)
    this.#confirms = confirms
  }

  protected async visit(): Promise<void> {
    const { simulation, chance } = this
    this.#unanswered = []
    let hearing: Hearing | undefined
    const client = await WebSocketClient.open(simulation, `/ws?user=${this.name}`, (opened) => {
      const heard = this.hearing(opened.number, undefined, false)
      opened.onMessage = (payload) => this.#take(heard, payload.toString())
      hearing = heard
      opened.onClosed = () => {
        for (const { reject } of this.#unanswered.splice(0)) reject(new Lost('the connection'))
      }
    })
    this.#client = client
    this.leaving = (politely) => (politely ? client.close() : client.line.reset())
    const watch = simulation.clock.every(5_000, () => {
      if (simulation.now - client.heardAt > 12_000) client.line.reset()
      else client.send('heartbeat')
    })
    const reads = chance.percent(simulation.plan.slowPercent) ? this.#readSlowly(client) : undefined
    await Promise.all([
      this.write(() => client.closed),
      hearing !== undefined && this.#confirms ? this.#confirm(client, hearing) : undefined,
      reads,
    ])
    watch.cancel()
  }

  protected send(sending: Sending): Promise<void> {
    const client = this.#client as WebSocketClient
    const { from: fromUser, to: toUser, text: message, clientId: id } = sending
    return this.outgoing.send(sending, client.number, () => {
      if (client.closed) throw new Lost('the connection')
      client.send(JSON.stringify({ fromUser, toUser, message, ...(id === undefined ? {} : { id }) }))
      return new Promise((resolve, reject) => {
        this.#unanswered.push({ resolve: () => resolve(undefined), reject })
      })
    })
  }

  #take(hearing: Hearing, text: string): void {
    if (text === 'heartbeat') return
    if (text === 'ok') this.#unanswered.shift()?.resolve()
    else if (text.startsWith('error: ')) {
      const unknown = text.includes('stor')
      this.#unanswered.shift()?.reject(new Refused(unknown ? 'unavailable' : 'invalid', text))
      if (!unknown) this.simulation.history.wrong(`${this.name} was answered with ${text}`)
    } else {
      const message: Message = JSON.parse(text)
      this.hear(hearing, message)
    }
  }

  async #confirm(client: WebSocketClient, hearing: Hearing): Promise<void> {
    while (!client.closed) {
      await this.simulation.sleep(this.chance.between(50, 800))
      // Only what came here: the connection before may have got more than it confirmed.
      const offset = hearing.entries.at(-1)?.offset
      if (offset === undefined || client.closed) continue
      client.send(JSON.stringify({ ack: offset }))
      this.#known(client, offset)
    }
  }

  /** A confirmation has no answer; the server has it when the connection, and the server, lived on for long enough. */
  #known(client: WebSocketClient, offset: number): void {
    const { clock, life, history } = this.simulation
    const { lives } = life
    if (history.confirming.has(this.name)) return
    clock.after(knownMs, () => {
      if (client.line.brokenAt === undefined && life.lives === lives && life.server !== undefined && !client.closed) {
        history.confirming.set(this.name, Math.min(offset, history.confirming.get(this.name) ?? offset))
      }
    })
  }

  async #readSlowly(client: WebSocketClient): Promise<void> {
    while (!client.closed && this.busy) {
      client.line.pause()
      await this.simulation.sleep(this.chance.between(200, 6_000))
      client.line.resume()
      await this.simulation.sleep(this.chance.between(200, 2_000))
    }
    client.line.resume()
  }
}

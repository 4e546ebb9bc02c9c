// Members of rooms: with rpc, who come back with the position of the last entry that they saw, and with the plain dialect. Some
// read slowly.

import type { Entry, Hearing, Sending } from './history.ts'
import { RpcClient } from './rpc-client.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'
import { Outgoing, User } from './user.ts'
import { request, WebSocketClient } from './web-socket.ts'

interface RoomMessage {
  readonly offset: number
  readonly id: string
  readonly room: string
  readonly from: string
  readonly message: string
}

export function roomEntryOf({ offset, id, room, from, message }: RoomMessage): Entry {
  return { offset, id, from, to: room, text: message }
}

export class Member extends User {
  readonly #room: string
  readonly #plain: boolean
  readonly #outgoing: Outgoing
  #last: { epoch: string; offset: number; id: string } | undefined
  #send: ((sending: Sending) => Promise<void>) | undefined

  constructor(simulation: Simulation, name: string, room: string, plain: boolean) {
    super(simulation, name)
    this.#room = room
    this.#plain = plain
    this.#outgoing = new Outgoing(simulation)
  }

  get pending(): string {
    const { length } = this.#outgoing.unsettled
    return length === 0 ? '' : `${length} messages unsettled`
  }

  protected visit(): Promise<void> {
    return this.#plain ? this.#visitPlainly() : this.#visit()
  }

  async #visit(): Promise<void> {
    const { simulation, name } = this
    const room = this.#room
    const rpc = await RpcClient.open(simulation, name)
    this.leaving = (politely) => (politely ? rpc.close() : rpc.vanish())
    let hearing: Hearing | undefined
    let epoch = ''
    const take = (message: RoomMessage): void => {
      if (hearing === undefined) return simulation.history.wrong(`${name} heard before it was answered`)
      this.#hear(hearing, message, epoch)
    }
    rpc.onNotified = (method, params) => {
      if (method === 'rooms.message') take(params)
      if (method === 'session.missing' && hearing !== undefined) {
        simulation.note(name, `misses ${JSON.stringify(params.missing)}`)
        this.#missing(hearing, params)
      }
    }
    const since = this.#last ?? { offset: 0 }
    await rpc.call('rooms.join', { room, since }, (joined) => {
      epoch = joined.epoch
      hearing = this.#hearing(rpc.number, since.offset)
      simulation.note(name, `joined after ${since.offset}: ${joined.recovered}, ${JSON.stringify(joined.missing)}`)
      if (!joined.recovered) this.#missing(hearing, joined)
      for (const entry of joined.entries) take(entry)
    })
    this.#send = (sending) =>
      this.#outgoing.send(sending, rpc.number, () => {
        const { text: message, clientId } = sending
        return rpc.call('rooms.send', { room, message, ...(clientId === undefined ? {} : { clientId }) })
      })
    await Promise.all([this.#write(() => rpc.closed), this.#readSlowly(rpc.carrier)])
  }

  async #visitPlainly(): Promise<void> {
    const { simulation, name } = this
    const room = this.#room
    const since = this.#last?.offset ?? 0
    const waiting = new Map<string, (message: RoomMessage) => void>()
    const lost = new Set<() => void>()
    const path = `/rooms/${room}/ws?user=${name}&since=${since}`
    const client = await WebSocketClient.open(simulation, path, (opened) => {
      const hearing = this.#hearing(opened.number, since)
      opened.onMessage = (payload) => {
        const text = payload.toString()
        if (text === 'heartbeat') return
        if (text.startsWith('error: ')) return simulation.note(name, text)
        const message: RoomMessage = JSON.parse(text)
        waiting.get(message.message)?.(message)
        // A repeat is answered with the entry as it was stored.
        if (message.offset > (hearing.entries.at(-1)?.offset ?? since)) this.#hear(hearing, message, '')
      }
      opened.onClosed = () => {
        for (const lose of lost) lose()
      }
    })
    this.leaving = (politely) => (politely ? client.close() : client.line.reset())
    const watch = simulation.clock.every(5_000, () => {
      if (simulation.now - client.heardAt > 12_000) client.line.reset()
      else client.send('heartbeat')
    })
    this.#send = (sending) =>
      this.#outgoing.send(sending, client.number, () => {
        if (client.closed) throw new Lost('the connection')
        client.send(JSON.stringify({ message: sending.text, clientId: sending.clientId }))
        return new Promise((resolve, reject) => {
          const lose = (): void => reject(new Lost('the connection'))
          lost.add(lose)
          waiting.set(sending.text, ({ id, offset }) => resolve({ id, offset, repeated: false }))
        })
      })
    await Promise.all([this.#write(() => client.closed), this.#readSlowly(client)])
    watch.cancel()
  }

  #hearing(connection: number, after: number): Hearing {
    const hearing: Hearing = {
      ...{ reader: this.name, log: `room:${this.#room}`, connection, after, whole: true },
      ...{ trimmed: 0, entries: [] },
    }
    this.simulation.history.hearings.push(hearing)
    return hearing
  }

  #hear(hearing: Hearing, message: RoomMessage, epoch: string): void {
    hearing.entries.push(roomEntryOf(message))
    this.#last = { epoch, offset: message.offset, id: message.id }
    this.simulation.note(this.name, `heard ${message.offset} ${message.id}`)
  }

  #missing(hearing: Hearing, { missing = [] }: { missing?: { from: number; to: number; reason: string }[] }): void {
    const [only] = missing
    const next = (hearing.entries.at(-1)?.offset ?? hearing.after ?? 0) + 1
    if (missing.length !== 1 || only?.reason !== 'trimmed' || only.from !== next) {
      this.simulation.history.wrong(`${this.name}: not recovered after ${hearing.after}: ${JSON.stringify(missing)}`)
      return
    }
    hearing.trimmed = only.to
    this.simulation.history.reached('resume at a trimmed offset')
  }

  async #write(closed: () => boolean): Promise<void> {
    const { chance, simulation } = this
    while (!closed()) {
      for (const sending of [...this.#outgoing.unsettled]) await this.#send?.(sending)
      const burst = chance.percent(20) ? chance.between(2, 8) : 1
      const sent: (Promise<void> | undefined)[] = []
      for (let i = 0; i < burst && this.busy; i++) {
        const wish = { service: 'rooms', from: this.name, to: this.#room } as const
        const named = this.#plain || chance.percent(70)
        sent.push(this.#send?.(this.#outgoing.compose(wish, named, chance.between(0, simulation.plan.rooms.bytes))))
      }
      await Promise.all(sent)
      await this.pause()
    }
  }

  async #readSlowly(client: {
    readonly line: { readonly closed: boolean; pause(): void; resume(): void }
  }): Promise<void> {
    const { simulation, chance } = this
    if (!chance.percent(simulation.plan.slowPercent)) return
    while (!client.line.closed && this.busy) {
      client.line.pause()
      await simulation.sleep(chance.between(200, 6_000))
      client.line.resume()
      await simulation.sleep(chance.between(200, 2_000))
    }
    client.line.resume()
  }
}

/** Makes the rooms, and repeats until they are there. */
export async function makeRooms(simulation: Simulation, rooms: readonly string[]): Promise<void> {
  for (const id of rooms) {
    for (;;) {
      try {
        await request(simulation, 'POST', '/rooms?user=admin', { id, name: id, open: true })
        break
      } catch (error) {
        if (error instanceof Refused && error.code === 'conflict') break
        await simulation.sleep(200)
      }
    }
  }
}

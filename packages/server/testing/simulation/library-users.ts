// A user with the client library, over the same network: what it hands to the application is once, in order, and complete.

import { rpcSubprotocol } from '@nitka/protocol'
import { NitkaError } from '../../../client/src/errors.ts'
import { Nitka } from '../../../client/src/nitka.ts'
import type { Dial } from '../../../client/src/wire.ts'
import type { World } from '../../../client/src/world.ts'
import { entryOf } from './direct-users.ts'
import type { Entry, Hearing, Holding, Sending } from './history.ts'
import type { Line } from './network.ts'
import { roomEntryOf } from './room-users.ts'
import { Lost, Refused, type Simulation } from './simulation.ts'
import { Outgoing, User } from './user.ts'
import { WebSocketClient } from './web-socket.ts'

/** The library's error, as the other users tell it. */
function refusal(error: unknown): never {
  if (!(error instanceof NitkaError)) throw error
  throw ['lost', 'closed', 'timeout', 'aborted'].includes(error.code)
    ? new Lost(error.message)
    : new Refused(error.code, error.message)
}

abstract class LibraryUser extends User {
  protected readonly nitka: Nitka
  protected readonly outgoing: Outgoing
  /** The connection that is there, or was last. */
  protected line: Line | undefined

  constructor(simulation: Simulation, name: string) {
    super(simulation, name)
    this.outgoing = new Outgoing(simulation)
    const options = { retryMaxMs: 2_000, pingMs: 4_000, pongMs: 4_000, onError: (error: unknown) => this.#wrong(error) }
    this.nitka = new Nitka(this.#dial(), options, this.#world())
  }

  get pending(): string {
    const { length } = this.outgoing.unsettled
    return length === 0 ? '' : `${length} messages unsettled`
  }

  /** All that comes of a log, over all its connections, is one hearing: the library comes back by itself. */
  protected hearing(log: string): Hearing {
    const { simulation, name } = this
    const hearing: Hearing = {
      ...{ reader: name, log, connection: simulation.next(), after: 0, whole: true },
      ...{ trimmed: 0, entries: [] },
    }
    simulation.history.hearings.push(hearing)
    return hearing
  }

  protected hear(hearing: Hearing, entry: Entry): void {
    hearing.entries.push(entry)
    this.simulation.note(this.name, `heard ${entry.offset}`)
  }

  /** Sends now and then. The library repeats by itself, so one try is all there is. */
  protected async write(
    wish: () => Pick<Sending, 'service' | 'from' | 'to'>,
    connection: number,
    send: (sending: Sending) => Promise<{ readonly id: string; readonly offset: number }>,
  ): Promise<void> {
    const { simulation, chance } = this
    while (simulation.phase !== 'over') {
      if (this.busy) {
        const sending = this.outgoing.compose(wish(), true, chance.between(0, simulation.plan.rooms.bytes))
        await this.outgoing.send(sending, connection, async () => {
          const { id, offset } = await send(sending).catch(refusal)
          return { id, offset, repeated: false }
        })
      }
      await this.pause()
    }
  }

  override leave(): void {
    this.nitka.close()
  }

  #wrong(error: unknown): void {
    if (!(error instanceof NitkaError)) this.simulation.history.wrong(`${this.name}: ${String(error)}`)
  }

  #world(): World {
    const { clock } = this.simulation
    const chance = this.chance.fork('library')
    return {
      now: () => clock.monotonic(),
      after(ms, task) {
        const timer = clock.after(ms, task)
        return () => timer.cancel()
      },
      random: () => chance.fraction(),
      id: () => Buffer.from(chance.bytes(16)).toString('base64url'),
    }
  }

  #dial(): Dial {
    const { simulation, name } = this
    return (events) => {
      let client: WebSocketClient | undefined
      let closed = false
      const opened = (one: WebSocketClient): void => {
        if (closed) return one.close()
        client = one
        this.line = one.line
        client.onMessage = (payload) => !closed && events.text(payload.toString())
        client.onClosed = () => !closed && events.ended(1006, '')
        events.opened()
      }
      WebSocketClient.open(simulation, `/ws?user=${name}`, opened, rpcSubprotocol).catch(() => {
        if (!closed) events.ended(1006, '')
      })
      return {
        send: (text) => client?.send(text),
        close: () => {
          closed = true
          client?.close()
        },
        waiting: 0,
      }
    }
  }
}

/** Follows a room and writes to it. */
export class LibraryMember extends LibraryUser {
  readonly #room: string

  constructor(simulation: Simulation, name: string, room: string) {
    super(simulation, name)
    this.#room = room
  }

  protected async visit(): Promise<void> {
    const { simulation, name } = this
    const room = await this.nitka.rooms.join(this.#room, { since: { offset: 0 } })
    const hearing = this.hearing(`room:${this.#room}`)
    room.on('message', (message) => this.hear(hearing, roomEntryOf(message as Parameters<typeof roomEntryOf>[0])))
    room.on('gap', (gap) => {
      if (gap.reason === 'trimmed') hearing.trimmed = gap.to
      else simulation.history.wrong(`${name}: ${JSON.stringify(gap)}`)
    })
    const wish = { service: 'rooms', from: name, to: this.#room } as const
    await this.write(
      () => wish,
      hearing.connection,
      ({ text }) => room.send(text),
    )
  }
}

/** Has an inbox that confirms by itself, and writes to others. */
export class LibraryPerson extends LibraryUser {
  protected async visit(): Promise<void> {
    const { simulation, name, chance, nitka } = this
    const inbox = await nitka.direct.open()
    const hearing = this.hearing(`user:${name}`)
    inbox.on('message', (message) => this.hear(hearing, entryOf(message as Parameters<typeof entryOf>[0])))
    inbox.on('gap', (gap) => simulation.history.wrong(`${name}: ${JSON.stringify(gap)}`))
    const { users } = simulation.plan.direct
    const wish = () => ({ service: 'direct', from: name, to: chance.pick(users) }) as const
    await this.write(wish, hearing.connection, ({ to, text }) => nitka.direct.send(to, text))
  }
}

/** Works on a queue: some tasks take longer than their lease, some fail. */
export class LibraryWorker extends LibraryUser {
  readonly #queue: string

  constructor(simulation: Simulation, name: string, queue: string) {
    super(simulation, name)
    this.#queue = queue
  }

  protected async visit(): Promise<void> {
    const { simulation, chance, name } = this
    const { leaseMs } = simulation.plan.tasks
    const worker = this.nitka.tasks.work(this.#queue, { batch: chance.between(1, 3) }, async ({ id, token }) => {
      const busy = chance.pick([0.2, 0.5, 2]) * leaseMs
      simulation.note(name, `works on ${id} ${token}`)
      await simulation.sleep(this.busy ? chance.between(1, busy) : 20)
      const fails = this.busy && chance.percent(20)
      // It is reported from now on.
      const kind = fails ? 'failed' : 'done'
      simulation.history.reports.push({ task: id, token, kind, start: simulation.now, life: simulation.life.lives })
      if (fails) throw new Error('it failed')
    })
    while (simulation.phase !== 'over') await this.pause()
    void worker.stop()
  }
}

/** Holds resources for as long as it likes: the library renews. */
export class LibraryHolder extends LibraryUser {
  protected async visit(): Promise<void> {
    const { simulation } = this
    while (simulation.phase !== 'over') {
      if (this.busy) await this.#hold()
      await this.pause()
    }
  }

  async #hold(): Promise<void> {
    const { simulation, chance, nitka, name } = this
    const { pool, size } = simulation.plan.pools
    const asked = simulation.now
    const count = chance.between(1, Math.min(2, size))
    const wait = chance.pick([0, 2_000])
    const wish = chance.percent(50) ? { count, wait } : { count, wait, ttl: 1_500 }
    const hold = await nitka.pools.acquire(pool, wish).catch(noHold)
    if (hold === undefined) return
    const resources = hold.resources.map(({ id }) => id)
    const { id, token } = hold
    const until = simulation.now
    const holding: Holding = { hold: id, pool, resources, token, attached: false, asked, start: simulation.now, until }
    simulation.history.holdings.push(holding)
    simulation.note(name, `holds ${resources} ${token}`)
    const line = this.line
    for (let left = chance.between(10, 3_000); left > 0 && !hold.signal.aborted; left -= 10) {
      await simulation.sleep(10)
      if (hold.signal.aborted || line?.brokenAt !== undefined || this.line !== line) break
      holding.until = simulation.now
    }
    await hold.release().catch(noHold)
  }
}

function noHold(error: unknown): undefined {
  if (!(error instanceof NitkaError)) throw error
}

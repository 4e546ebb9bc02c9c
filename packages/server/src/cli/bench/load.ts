// What a load of the bench has: its clients, and the loops that keep so many messages under way and no more.

import { connect, type Nitka, NitkaError } from '@nitka/client'
import { type Clock, sleep } from '../../world.ts'
import { firstConnection } from '../live.ts'
import type { Target } from '../server-call.ts'
import type { Meter } from './meter.ts'

/** What can be measured. */
export const subjects = ['relay', 'rooms', 'direct', 'tasks', 'requests'] as const
export type Subject = (typeof subjects)[number]

/** Prepares, and starts to send. What it gives ends that in order: nothing more is sent, what is under way is awaited. */
export type Load = (stage: Stage) => Promise<() => Promise<void>>

/** Connections opened at one time. */
const openingMax = 32

export interface StageOptions {
  readonly target: Target
  readonly token: string | undefined
  readonly clients: number
  /** Bytes of a message, about. */
  readonly bytes: number
  /** Begins the names of users, rooms, queues and so on: what an earlier run left is not met again. */
  readonly prefix: string
  readonly meter: Meter
  readonly clock: Clock
}

export class Stage {
  readonly meter: Meter
  readonly clock: Clock
  readonly prefix: string
  readonly clients: readonly Nitka[]
  readonly #padding: string
  #stopped = false
  #loops: Promise<void>[] = []

  private constructor({ meter, clock, prefix, bytes }: StageOptions, clients: readonly Nitka[]) {
    this.meter = meter
    this.clock = clock
    this.prefix = prefix
    this.clients = clients
    this.#padding = 'x'.repeat(Math.max(0, bytes - overhead))
  }

  /** Connects all clients. @throws NitkaError of the client, why one of them was not let in */
  static async open(options: StageOptions): Promise<Stage> {
    const clients: Nitka[] = []
    try {
      while (clients.length < options.clients) {
        const next = Math.min(openingMax, options.clients - clients.length)
        const opened = Array.from({ length: next }, (_, i) => clientOf(options, clients.length + i))
        clients.push(...opened)
        await Promise.all(opened.map((client) => firstConnection(client, options.target.url)))
      }
      return new Stage(options, clients)
    } catch (error) {
      for (const client of clients) client.close()
      throw error
    }
  }

  /** The first client, which sends in most loads. */
  get first(): Nitka {
    return this.clients[0] as Nitka
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** A message that says when it was sent. */
  message(): Stamped {
    return { at: this.meter.now(), padding: this.#padding }
  }

  /** Does `once` again and again, `count` times side by side. Its errors are counted. */
  loop(count: number, once: () => Promise<unknown>): void {
    const again = async (): Promise<void> => {
      while (!this.#stopped) {
        try {
          await once()
        } catch (error) {
          if (!(error instanceof NitkaError)) throw error
          if (error.code === 'closed') return
          this.meter.failed()
          // What is refused at once would otherwise be refused a hundred thousand times a second.
          await this.pause(100)
        }
      }
    }
    for (let i = 0; i < count; i++) this.#loops.push(again())
  }

  pause(ms: number): Promise<void> {
    return sleep(this.clock, ms)
  }

  /** Ends the loops; resolves when what they await has come. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
    this.#loops = []
  }

  /** Closes the clients, at once. */
  close(): void {
    this.#stopped = true
    for (const client of this.clients) client.close()
  }
}

export interface Stamped {
  readonly at: number
  readonly padding: string
}

/** `{"at":123456.789,"padding":""}` */
const overhead = 36

function clientOf({ target, token, prefix }: StageOptions, i: number): Nitka {
  const url = new URL(target.url)
  if (token === undefined) url.searchParams.set('user', `${prefix}-${i}`)
  return connect(url, token === undefined ? {} : { token })
}

// The client: one line to the server, and the services over it.

import type { Missing } from '@nitka/protocol'
import type { Contract, Named, NameOf } from './contract.ts'
import { Direct } from './direct.ts'
import { harmless, type OnError } from './emitter.ts'
import { unlessAborted } from './errors.ts'
import { Line } from './line.ts'
import type { Hello, LineEvents, State } from './line-terms.ts'
import { Pools } from './pools.ts'
import { Relay, type RelayChannel } from './relay.ts'
import { Requests } from './requests.ts'
import { Rooms } from './rooms.ts'
import { Tasks } from './tasks.ts'
import type { TokenSource } from './tokens.ts'
import type { Dial } from './wire.ts'
import { realWorld, type World } from './world.ts'

/** Durations are milliseconds. */
export interface NitkaOptions {
  /**
   * Who one is. A function is asked for the first token, for the next one before a token ends, and when one was refused.
   * Without a token the server decides, for development by `?user=` in the address.
   */
  readonly token?: TokenSource
  /** Names this device: it then has delivery cursors of its own for direct messages. */
  readonly device?: string
  /** Waits between attempts: drawn from 0 up to this, twice that, and so on. Default 500. */
  readonly retryBaseMs?: number
  /** And at most this. Default 30,000. */
  readonly retryMaxMs?: number
  /** How long opening and greeting may take. Default 10,000. */
  readonly handshakeMs?: number
  /** Silence after which the server is asked whether it lives. Default: as the server does, 25,000. 0: never. */
  readonly pingMs?: number
  /** How long it may take to answer that. Default 10,000. */
  readonly pongMs?: number
  /** Calls that may wait for an answer; one more is refused with `overloaded`. Default 10,000. */
  readonly callsMax?: number
  /** Characters of them. Default 16 Mi. */
  readonly charactersMax?: number
  /** Told of what a listener threw, and of what nobody else is told. Default: `console.error`. */
  readonly onError?: OnError
}

const defaults = {
  retryBaseMs: 500,
  retryMaxMs: 30_000,
  handshakeMs: 10_000,
  pongMs: 10_000,
  callsMax: 10_000,
  charactersMax: 16 * 1_048_576,
}

/** A client. It connects by itself, and stays connected until it is closed. */
export class Nitka<App extends Contract = Contract> {
  readonly rooms: Rooms<App>
  readonly direct: Direct<App>
  readonly tasks: Tasks<App>
  readonly requests: Requests<App>
  readonly pools: Pools<App>
  readonly #line: Line
  readonly #relay: Relay<App>

  /** Clients are made by `connect`. */
  constructor(dial: Dial, options: NitkaOptions, world: World = realWorld) {
    const { token, device, pingMs, onError = (error: unknown) => console.error(error), ...rest } = options
    this.#line = new Line(dial, { ...defaults, ...rest, token, device, pingMs, onError: harmless(onError) }, world)
    const line = this.#line
    this.rooms = new Rooms(line)
    this.direct = new Direct(line)
    this.tasks = new Tasks(line)
    this.requests = new Requests(line)
    this.pools = new Pools(line)
    this.#relay = new Relay(line)
    line.on<{ log: string; missing: readonly Missing[] }>('session.missing', ({ log, missing }) => {
      this.rooms.missing(log, missing)
      this.direct.missing(log, missing)
    })
    line.events.on('state', ({ state, error }) => {
      if (state !== 'closed') return
      for (const service of [this.rooms, this.direct, this.tasks, this.requests, this.#relay]) service.end(error)
      this.pools.end()
    })
  }

  /** `connecting`, `live`, `waiting` for the next attempt, or `closed` for good. */
  get state(): State {
    return this.#line.state
  }

  /** Who one is; undefined while it is not live. */
  get user(): string | undefined {
    return this.#line.hello?.user
  }

  /** What the server said of itself; undefined while it is not live. */
  get server(): Hello | undefined {
    return this.#line.hello
  }

  /** Calls that are not answered yet. */
  get pending(): number {
    return this.#line.calls.size
  }

  /** A channel of the relay, joined from now on. */
  relay<Name extends NameOf<App, 'relay'>>(channel: Name): RelayChannel<Named<App, 'relay', Name>> {
    return this.#relay.channel(channel)
  }

  /**
   * Calls `listener` at each event: `state` whenever the state changes, `draining` when the server is about to stop. Returns
   * how to stop.
   */
  on<Name extends keyof LineEvents>(name: Name, listener: (event: LineEvents[Name]) => void): () => void {
    return this.#line.events.on(name, listener)
  }

  /** Resolves when it is live. @throws NitkaError why it is closed, `aborted` */
  ready({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return unlessAborted(this.#line.ready(), signal)
  }

  /** Resolves when every call was answered, and what was handled of the inbox is confirmed. @throws NitkaError `aborted` */
  flush({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.direct.settle()
    return unlessAborted(this.#line.calls.idle(), signal)
  }

  /** Closes for good, at once: what waits is refused with `closed`. To send everything first, await `flush()`. */
  close(): void {
    // It goes out with the goodbye.
    this.direct.settle()
    this.#line.close()
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}

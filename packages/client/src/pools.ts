// Pools of resources: holding them now, or booking them for a time.

import type { Booking, HoldAnswer, PoolInfo, PoolStatus } from './answers.ts'
import type { CallOptions } from './calls.ts'
import type { Contract, Named, NameOf } from './contract.ts'
import { aborted, NitkaError } from './errors.ts'
import { Hold } from './hold.ts'
import type { Line } from './line.ts'
import { patient } from './sending.ts'

/** How much is to be held, and for how long. */
export interface AcquireOptions extends CallOptions {
  /** How many at once, all or none. Default 1. */
  readonly count?: number
  /** How long, in milliseconds; then it ends. Absent: as long as this client lives, renewed without being asked. */
  readonly ttl?: number
  /** How long to wait in line, in milliseconds. Default 0: not at all. */
  readonly wait?: number
  /** It outlives the connection, and the client, until its time. */
  readonly detached?: boolean
}

/** What is to be booked. */
export interface BookWish {
  /** A date, or RFC 3339. */
  readonly from: Date | string
  readonly to: Date | string
  /** Default 1. */
  readonly count?: number
  /** These, instead of any. */
  readonly resources?: readonly string[]
  readonly note?: string
}

interface Granted<Data> {
  readonly answer: HoldAnswer<Data>
  /** When it was asked for. */
  readonly sentAt: number
}

const answerMs = 30_000

/** Pools of resources: `nitka.pools`. */
export class Pools<App extends Contract = Contract> {
  readonly #line: Line
  readonly #holds = new Set<Hold<never>>()

  /** @internal */
  constructor(line: Line) {
    this.#line = line
    line.onLive(() => {
      for (const hold of this.#holds) void hold.attach()
    })
    line.events.on('state', ({ state }) => {
      if (state === 'waiting') for (const hold of this.#holds) hold.adrift()
    })
  }

  /**
   * Holds resources, all of `count` or none, first come first served. Ends by `release` (or `await using`), by its time, or
   * with this client; a lost connection is survived when the next one comes within 10 s, or what the server says. Asked again
   * when the connection is lost before the answer, unless it is `detached`.
   * @throws NitkaError `busy` not free within `wait`, `not-found` no such pool, `aborted`, `timeout`, `lost` when it is
   * `detached` and not known to be held
   */
  async acquire<Pool extends NameOf<App, 'pools'>>(
    pool: Pool,
    options: AcquireOptions = {},
  ): Promise<Hold<Named<App, 'pools', Pool>>> {
    const { signal, timeoutMs, ...wish } = options
    const patience = timeoutMs ?? (wish.wait ?? 0) + answerMs
    const { answer, sentAt } = await this.#granted<Named<App, 'pools', Pool>>({ pool, ...wish }, patience, signal)
    const hold: Hold<Named<App, 'pools', Pool>> = new Hold(this.#line, answer, {
      ...{ ttl: wish.ttl, sentAt },
      onEnd: () => this.#holds.delete(hold as unknown as Hold<never>),
    })
    this.#holds.add(hold as unknown as Hold<never>)
    // In the same moment as the answer.
    if (this.#line.state === 'closed') hold.lose()
    return hold
  }

  /** What is granted to somebody who has stopped waiting goes back at once. */
  #granted<Data>(
    wish: AcquireOptions & { readonly pool: string },
    patienceMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Granted<Data>> {
    return new Promise((resolve, reject) => {
      let left = false
      const unsent = new AbortController()
      const leave = (error: NitkaError): void => {
        left = true
        stop()
        signal?.removeEventListener('abort', abort)
        reject(error)
        // Without a connection nothing is under way, and nothing need be.
        if (this.#line.state !== 'live') unsent.abort()
      }
      const abort = (): void => leave(aborted(signal as AbortSignal))
      const late = new NitkaError('timeout', 'the server did not answer in time')
      const stop = this.#line.world.after(patienceMs, () => leave(late))
      if (signal?.aborted) return abort()
      signal?.addEventListener('abort', abort, { once: true })
      const granted = (answer: HoldAnswer<Data>, sentAt: number): void => {
        if (left) return void this.#line.call('pools.release', { hold: answer.hold }, 'bound').catch(() => undefined)
        stop()
        signal?.removeEventListener('abort', abort)
        resolve({ answer, sentAt })
      }
      // Two that are bound to a connection that is gone end with it; one that is not would stay.
      const kind = wish.detached === true ? 'once' : 'safe'
      this.#line.call('pools.acquire', wish, kind, { signal: unsent.signal }, granted).catch(leave)
    })
  }

  /** Adds resources to a pool, and makes it; known ones get the new data. Returns how many are new. */
  async add<Pool extends NameOf<App, 'pools'>>(
    pool: Pool,
    resources: readonly (string | { readonly id: string; readonly data?: Named<App, 'pools', Pool> })[],
    options: CallOptions = {},
  ): Promise<number> {
    const params = { pool, resources }
    const { added } = await this.#line.call<{ added: number }>('pools.add', params, 'safe', patient(options))
    return added
  }

  /** Removes resources, held ones when they are free again. Returns how many. */
  async remove(pool: NameOf<App, 'pools'>, resources: readonly string[], options: CallOptions = {}): Promise<number> {
    const params = { pool, resources }
    const { removed } = await this.#line.call<{ removed: number }>('pools.remove', params, 'safe', patient(options))
    return removed
  }

  /** Who holds what, and who waits. */
  status(pool: NameOf<App, 'pools'>, options: CallOptions = {}): Promise<PoolStatus> {
    return this.#line.call('pools.status', { pool }, 'safe', patient(options))
  }

  /** All pools, by name. */
  async list(options: CallOptions = {}): Promise<readonly PoolInfo[]> {
    const { pools } = await this.#line.call<{ pools: readonly PoolInfo[] }>('pools.list', {}, 'safe', patient(options))
    return pools
  }

  /**
   * Books resources for a time; no two bookings of a resource overlap.
   * @throws NitkaError `conflict` not free in that time, `not-found`, `lost` when it is not known whether it was booked
   */
  book(pool: NameOf<App, 'pools'>, wish: BookWish, options: CallOptions = {}): Promise<Booking> {
    const { from, to, ...rest } = wish
    const params = { pool, from: text(from), to: text(to), ...rest }
    return this.#line.call('pools.book', params, 'once', patient(options))
  }

  /** Ends one's own booking. */
  async cancel(booking: string, options: CallOptions = {}): Promise<void> {
    await this.#line.call('pools.cancel', { booking }, 'once', patient(options))
  }

  /** Bookings that touch a time, by time; from now on when it does not say. The first 500. */
  async calendar(
    pool: NameOf<App, 'pools'>,
    query: { readonly from?: Date | string; readonly to?: Date | string; readonly resource?: string } = {},
    options: CallOptions = {},
  ): Promise<readonly Booking[]> {
    const { from, to, resource } = query
    const params = {
      pool,
      ...(from === undefined ? {} : { from: text(from) }),
      ...(to === undefined ? {} : { to: text(to) }),
      ...(resource === undefined ? {} : { resource }),
    }
    const answer = await this.#line.call<{ bookings: readonly Booking[] }>(
      'pools.calendar',
      params,
      'safe',
      patient(options),
    )
    return answer.bookings
  }

  /** @internal */
  end(): void {
    for (const hold of [...this.#holds]) hold.lose()
  }
}

function text(time: Date | string): string {
  return typeof time === 'string' ? time : time.toISOString()
}

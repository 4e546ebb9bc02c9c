// A hold: resources that nobody else has until it ends. Renewed while this client lives, taken along to the next
// connection, and given up in time when neither succeeds.

import type { HoldAnswer } from './answers.ts'
import type { CallOptions } from './calls.ts'
import { NitkaError } from './errors.ts'
import type { Line } from './line.ts'
import { patient } from './sending.ts'

const renewAt = 0.5
const againMs = 1_000

/** Resources that this client holds. */
export class Hold<Data = unknown> {
  readonly id: string
  readonly pool: string
  readonly resources: readonly { readonly id: string; readonly data?: Data }[]
  /** Grows with every hold: the guarded thing should refuse what comes with a smaller one than it has seen. */
  readonly token: number
  /** Fires when it is lost: its time is over, or the server gave it to another. Not at a release. */
  readonly signal: AbortSignal
  readonly #line: Line
  readonly #abort = new AbortController()
  readonly #onEnd: () => void
  readonly #ttl: number | undefined
  readonly #graceMs: number | undefined
  #endsAt: number
  #cancelEnd: (() => void) | undefined
  #cancelRenew: (() => void) | undefined
  #over = false

  /** Holds are made by `nitka.pools.acquire`. Without a `ttl` they are renewed. @param how.sentAt when it was asked for */
  constructor(
    line: Line,
    answer: HoldAnswer<Data>,
    how: { readonly ttl: number | undefined; readonly sentAt: number; readonly onEnd: () => void },
  ) {
    this.#line = line
    this.id = answer.hold
    this.pool = answer.pool
    this.resources = answer.resources
    this.token = answer.token
    this.signal = this.#abort.signal
    this.#ttl = how.ttl
    this.#graceMs = answer.graceMs
    this.#onEnd = how.onEnd
    this.#endsAt = endOf(answer, how.sentAt)
    this.#watch()
  }

  /** Whether it is held still, as far as this client knows. Certain only with `check`. */
  get held(): boolean {
    return !this.#over && this.#line.world.now() < this.#endsAt
  }

  /** How long it is held at least unless it is renewed, in milliseconds. */
  get leftMs(): number {
    return this.#over ? 0 : Math.max(0, this.#endsAt - this.#line.world.now())
  }

  /** Asks the server whether this is the hold of whoever has the resource now. */
  async check(options: CallOptions = {}): Promise<boolean> {
    const [resource] = this.resources
    if (resource === undefined || this.#over) return false
    const params = { pool: this.pool, resource: resource.id, token: this.token }
    const { held } = await this.#line.call<{ held: boolean }>('pools.check', params, 'safe', patient(options))
    return held
  }

  /**
   * Gives it its time, or `ttl` milliseconds, from now on.
   * @throws NitkaError `not-found` when it is lost
   */
  async renew(ttl?: number, options: CallOptions = {}): Promise<void> {
    const time = ttl ?? this.#ttl
    const params = { hold: this.id, token: this.token, ...(time === undefined ? {} : { ttl: time }) }
    const answer = this.#line.call<HoldAnswer<Data>>('pools.renew', params, 'safe', patient(options), this.#lasts)
    await answer.catch((error: NitkaError) => {
      if (error.code === 'not-found') this.lose(error)
      throw error
    })
  }

  /** Gives it back. Resolves when others can have it; done twice it is fine. */
  async release(options: CallOptions = {}): Promise<void> {
    if (this.#over) return
    this.#finish()
    await this.#giveBack(options)
  }

  /** As `release`. */
  async [Symbol.asyncDispose](): Promise<void> {
    // A closed connection has released it.
    if (this.#line.state !== 'closed') await this.release()
  }

  /** @internal The line is live again: the hold moves over. */
  async attach(): Promise<void> {
    if (this.#over) return
    try {
      await this.#line.call<HoldAnswer<Data>>('pools.attach', { hold: this.id }, 'bound', {}, this.#lasts)
    } catch (thrown) {
      const error = thrown as NitkaError
      if (error.code === 'lost' || this.#over) return
      if (error.retry) this.#line.again(() => void this.attach())
      else this.lose(error)
    }
  }

  /** @internal The connection is lost: unless the next one comes in time, the server gives it to another. */
  adrift(): void {
    if (this.#over || this.#graceMs === undefined) return
    this.#endsAt = Math.min(this.#endsAt, this.#line.world.now() + this.#graceMs)
    this.#watch()
  }

  /** @internal */
  lose(cause?: NitkaError): void {
    if (this.#over) return
    this.#finish()
    this.#abort.abort(new NitkaError('lost', `the hold of ${this.pool} has ended`, { cause }))
  }

  /** Its time is over. */
  #end(): void {
    // A server that was away, too, has kept it for longer.
    if (this.#line.state !== 'live') void this.#giveBack({}).catch(() => undefined)
    this.lose()
  }

  async #giveBack(options: CallOptions): Promise<void> {
    try {
      await this.#line.call('pools.release', { hold: this.id }, 'safe', patient(options))
    } catch (error) {
      if ((error as NitkaError).code !== 'not-found') throw error
    }
  }

  readonly #lasts = (answer: HoldAnswer<Data>, sentAt: number): void => {
    if (this.#over) return
    this.#endsAt = endOf(answer, sentAt)
    this.#watch()
  }

  #finish(): void {
    this.#over = true
    this.#cancelEnd?.()
    this.#cancelRenew?.()
    this.#onEnd()
  }

  #watch(): void {
    this.#cancelEnd?.()
    this.#cancelRenew?.()
    const leftMs = this.leftMs
    this.#cancelEnd = this.#line.world.after(leftMs, () => this.#end())
    if (this.#ttl === undefined) this.#renewAfter(leftMs * renewAt)
  }

  #renewAfter(ms: number): void {
    this.#cancelRenew = this.#line.world.after(ms, () => {
      this.renew(undefined, { timeoutMs: Math.max(1, this.leftMs) }).catch((error: NitkaError) => {
        if (this.#over) return
        const passing = error.retry || error.code === 'timeout' || error.code === 'lost'
        if (passing) this.#renewAfter(againMs)
        else this.lose(error)
      })
    })
  }
}

/** When it ends at the soonest: counted from the question, since the server heard of it later. */
function endOf({ leftMs, waitedMs }: HoldAnswer<unknown>, sentAt: number): number {
  return sentAt + waitedMs + leftMs
}

// Typed requests: asking them, and answering them.

import type { CallOptions } from './calls.ts'
import type { Contract, NameOf, PayloadOf, ResultOf } from './contract.ts'
import { NitkaError, reasonOf } from './errors.ts'
import type { Line } from './line.ts'
import { patient } from './sending.ts'

/** How a request is asked. */
export interface RequestOptions extends CallOptions {
  /** True: the request may be answered twice, so it is repeated when the connection is lost. */
  readonly idempotent?: boolean
}

/** What a handler is told besides the payload. */
export interface RequestContext {
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal
  /** Who asks; empty for nobody in particular. */
  readonly user: string
}

/** Returns the answer; what it throws is the error that the asker gets. */
export type RequestHandler<Payload, Result> = (payload: Payload, context: RequestContext) => Result | Promise<Result>

/** How requests are answered. */
export interface HandleOptions {
  /** Requests at once. Default 1: in the order in which they were asked. */
  readonly concurrency?: number
  /** Told when the server does not let this client answer the type; nothing more comes. */
  readonly onRefused?: (error: NitkaError) => void
}

interface Execute {
  readonly id: number
  readonly type: string
  readonly payload?: never
  readonly user: string
}

interface Handled {
  readonly handler: RequestHandler<never, unknown>
  readonly options: HandleOptions
}

/** The server gives an executor 30 s, and the answer its time to travel. */
const answerMs = 35_000

/** Typed requests: `nitka.requests`. */
export class Requests<App extends Contract = Contract> {
  readonly #line: Line
  readonly #types = new Map<string, Handled>()
  readonly #running = new Map<number, AbortController>()

  /** @internal */
  constructor(line: Line) {
    this.#line = line
    line.onLive(() => {
      for (const type of this.#types.keys()) void this.#register(type)
    })
    line.events.on('state', ({ state }) => {
      // The server tells the askers that their executor was lost.
      if (state === 'waiting') this.#callOff(new NitkaError('lost', 'the connection was lost'))
    })
    line.on<Execute>('requests.execute', (request) => void this.#execute(request))
    line.on<{ id: number }>('requests.cancel', ({ id }) =>
      this.#running.get(id)?.abort(new NitkaError('timeout', 'nobody waits for the answer any more')),
    )
  }

  /**
   * Asks, and gives what the executor of the type returned. Waits for a connection; when it is lost before the answer the
   * outcome is unknown, and the request is not repeated unless it is `idempotent`.
   * @throws NitkaError `failed` (with the executor's own text), `not-found` (nobody answers the type), `timeout`, `lost`, `overloaded`, `aborted`
   */
  async call<Type extends NameOf<App, 'requests'>>(
    type: Type,
    payload?: PayloadOf<App, Type>,
    options: RequestOptions = {},
  ): Promise<ResultOf<App, Type>> {
    const { idempotent = false, signal, timeoutMs = answerMs } = options
    const params = payload === undefined ? { type } : { type, payload }
    const kind = idempotent ? 'safe' : 'once'
    const { result } = await this.#line.call<{ result: ResultOf<App, Type> }>('requests.call', params, kind, {
      signal,
      timeoutMs,
    })
    return result
  }

  /**
   * Answers requests of a type with this client, over every connection. Returns how to stop. The server knows of it
   * after `await nitka.ready()` and then `await nitka.flush()`.
   * @throws NitkaError `conflict` when this client answers the type already, `closed`
   */
  handle<Type extends NameOf<App, 'requests'>>(
    type: Type,
    handler: RequestHandler<PayloadOf<App, Type>, ResultOf<App, Type>>,
    options: HandleOptions = {},
  ): () => void {
    if (this.#line.state === 'closed') throw new NitkaError('closed', 'the client was closed')
    if (this.#types.has(type)) throw new NitkaError('conflict', `this client answers ${type} already`)
    const handled: Handled = { handler: handler as RequestHandler<never, unknown>, options }
    this.#types.set(type, handled)
    if (this.#line.state === 'live') void this.#register(type)
    return () => {
      if (this.#types.get(type) !== handled) return
      this.#types.delete(type)
      void this.#line.call('requests.stop', { type }, 'bound').catch(() => undefined)
    }
  }

  /** Per type what waits and what runs. */
  async queue(
    options: CallOptions = {},
  ): Promise<readonly { readonly type: string; readonly waiting: number; readonly running: number }[]> {
    const answer = await this.#line.call<{ queue: { type: string; waiting: number; running: number }[] }>(
      'requests.queue',
      {},
      'safe',
      patient(options),
    )
    return answer.queue
  }

  /** @internal */
  end(error: NitkaError | undefined): void {
    this.#callOff(error ?? new NitkaError('closed', 'the client was closed'))
    this.#types.clear()
  }

  async #register(type: string): Promise<void> {
    const handled = this.#types.get(type)
    if (handled === undefined) return
    const { concurrency = 1, onRefused } = handled.options
    try {
      await this.#line.call('requests.execute', { type, concurrency }, 'bound')
    } catch (thrown) {
      const error = thrown as NitkaError
      if (error.code === 'lost' || error.code === 'closed' || this.#types.get(type) !== handled) return
      if (error.retry) {
        this.#line.again(() => {
          if (this.#types.get(type) === handled) void this.#register(type)
        })
      } else {
        this.#types.delete(type)
        if (onRefused === undefined) this.#line.onError(error)
        else onRefused(error)
      }
    }
  }

  async #execute({ id, type, payload, user }: Execute): Promise<void> {
    const handler = this.#types.get(type)?.handler
    const abort = new AbortController()
    this.#running.set(id, abort)
    const answered = this.#line.calls.owe()
    let outcome: { result: unknown } | { error: string }
    try {
      if (handler === undefined) throw new NitkaError('not-found', `nobody answers ${type} here any more`)
      outcome = { result: (await handler(payload as never, { signal: abort.signal, user })) ?? null }
    } catch (error) {
      outcome = { error: reasonOf(error) }
    }
    // Another connection counts its own requests from 1 again.
    if (this.#running.get(id) !== abort) return answered()
    this.#running.delete(id)
    this.#line
      .call('requests.result', { id, ...outcome }, 'bound')
      .catch((error: NitkaError) => this.#notSent(id, error))
      .finally(answered)
  }

  /** The asker hears at least that there is no answer to be had. */
  async #notSent(id: number, error: NitkaError): Promise<void> {
    if (error.code !== 'too-large' && error.code !== 'invalid') return
    await this.#line.call('requests.result', { id, error: error.message }, 'bound').catch(() => undefined)
  }

  #callOff(reason: NitkaError): void {
    for (const abort of this.#running.values()) abort.abort(reason)
    this.#running.clear()
  }
}

// The line to the server: one connection after the other, as long as the client lives. Owns the state, when to come back,
// who one is, and whether the other side still lives.
//
//   connecting ──hello answered──▶ live ──lost──▶ waiting ──its time──▶ connecting
//   any ──close, or the server says never──▶ closed

import { closeCodes } from '@nitka/protocol'
import { type CallOptions, Calls, type Kind, lost } from './calls.ts'
import { Emitter, type OnError } from './emitter.ts'
import { NitkaError, type RemoteError, reasonOf } from './errors.ts'
import type { Hello, LineEvents, LineOptions, State, StateChange } from './line-terms.ts'
import { watchPage } from './page.ts'
import { Pulse } from './pulse.ts'
import { Tokens } from './tokens.ts'
import type { Dial, Wire, WireEvents } from './wire.ts'
import type { World } from './world.ts'

/** Of the server's 64, a few are left for calls that do not wait in line. */
const window = 48
/** A connection that lived this long is no failed attempt. */
const steadyMs = 5_000
/** Refused so often in a row, one is not let in. */
const refusalsMax = 3
const againMs = 1_000

export class Line {
  readonly events: Emitter<LineEvents>
  readonly world: World
  readonly calls: Calls
  readonly onError: OnError
  readonly #dial: Dial
  readonly #options: LineOptions
  readonly #tokens: Tokens
  readonly #notified = new Map<string, (params: never) => void>()
  readonly #onLive: (() => void)[] = []
  readonly #again = new Set<() => void>()
  readonly #pauses = new Set<() => void>()
  readonly #pulse: Pulse
  readonly #unwatch: () => void
  #state: State = 'connecting'
  #error: NitkaError | undefined
  #hello: Hello | undefined
  #wire: Wire | undefined
  #attempts = 0
  #refusals = 0
  #liveSince = 0
  #cancelTimer: (() => void) | undefined

  constructor(dial: Dial, options: LineOptions, world: World) {
    this.#dial = dial
    this.#options = options
    this.world = world
    this.onError = options.onError
    this.events = new Emitter(options.onError)
    const { callsMax, charactersMax } = options
    this.calls = new Calls(world, { window, callsMax, charactersMax })
    this.#tokens = new Tokens(options.token, world)
    this.#pulse = new Pulse(world, {
      ping: (timeoutMs) => this.calls.call('session.ping', {}, 'bound', { timeoutMs }),
      dead: () => this.#drop(new NitkaError('lost', 'the server was silent'), 'now'),
    })
    this.#unwatch = watchPage(() => this.#look())
    this.on('session.drain', ({ after }: { after: number }) => this.#draining(after))
    this.#connect()
  }

  get state(): State {
    return this.#state
  }

  get hello(): Hello | undefined {
    return this.#hello
  }

  /** Bytes that the system has not taken yet. */
  get unsent(): number {
    return this.#wire?.waiting ?? 0
  }

  /** Handles a notification of the server. */
  on<Params>(method: string, handle: (params: Params) => void): void {
    this.#notified.set(method, handle as (params: never) => void)
  }

  /** Runs each time that the line comes to life, and now when it is alive. */
  onLive(resume: () => void): void {
    this.#onLive.push(resume)
    if (this.#state === 'live') resume()
  }

  call<Result>(
    method: string,
    params: object,
    kind: Kind,
    options: CallOptions = {},
    answered?: (result: Result, sentAt: number) => void,
  ): Promise<Result> {
    // A wire that has not greeted yet is none for what belongs to a connection: the server would refuse it.
    if (kind === 'bound' && this.#state === 'connecting') return Promise.reject(lost(method))
    return this.calls.call(method, params, kind, options, answered)
  }

  /** Runs `task` in a second, unless the connection is lost before. Returns how to call it off. */
  again(task: () => void): () => void {
    const cancel = this.world.after(againMs, () => {
      this.#again.delete(cancel)
      task()
    })
    this.#again.add(cancel)
    return cancel
  }

  /** Resolves in a second, or when the line is closed. */
  pause(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        this.#pauses.delete(end)
        resolve()
      }
      const cancel = this.world.after(againMs, end)
      this.#pauses.add(end)
    })
  }

  /** Resolves when it is live. @throws NitkaError why it is closed */
  ready(): Promise<void> {
    if (this.#state === 'live') return Promise.resolve()
    if (this.#state === 'closed') return Promise.reject(this.#error)
    return new Promise((resolve, reject) => {
      const off = this.events.on('state', ({ state, error }) => {
        if (state !== 'live' && state !== 'closed') return
        off()
        if (state === 'live') resolve()
        else reject(error ?? this.#error)
      })
    })
  }

  /** @param error why, when it was not the application that closed it */
  close(error?: NitkaError): void {
    if (this.#state === 'closed') return
    this.#error = error ?? new NitkaError('closed', 'the client was closed')
    this.#leave()
    this.#unwatch()
    this.#enter({ state: 'closed', ...(error === undefined ? {} : { error }) })
    this.calls.end(this.#error)
    for (const end of this.#pauses) end()
  }

  #connect(): void {
    this.#enter({ state: 'connecting' })
    if (this.#state !== 'connecting') return
    this.#after(this.#options.handshakeMs, () => {
      this.#drop(new NitkaError('timeout', 'the server did not answer in time'), 'later')
    })
    let wire: Wire | undefined
    const current = (): boolean => wire !== undefined && this.#wire === wire
    const events: WireEvents = {
      opened: () => {
        if (current()) void this.#greet(wire as Wire)
      },
      text: (text) => {
        if (current()) this.#receive(text)
      },
      ended: (code, reason) => {
        if (!current()) return
        const retry = retryAfter(code)
        const expired = code === closeCodes.expired.code
        if (expired) this.#tokens.forget()
        const refused = retry === 'never' || (expired && !this.#tokens.renewable)
        const error = new NitkaError(
          refused ? 'closed' : 'lost',
          reason || `the connection was lost${code === undefined ? '' : ` (${code})`}`,
          { retry: !refused },
        )
        this.#drop(error, refused ? 'never' : retry)
      },
    }
    try {
      wire = this.#dial(events)
    } catch (cause) {
      return this.close(new NitkaError('invalid', `the address cannot be dialled: ${reasonOf(cause)}`, { cause }))
    }
    this.#wire = wire
  }

  async #greet(wire: Wire): Promise<void> {
    try {
      const token = await this.#tokens.get()
      if (this.#wire !== wire) return
      this.calls.attach((text) => wire.send(text))
      const { device } = this.#options
      const params = {
        version: 1,
        ...(token === undefined ? {} : { token }),
        ...(device === undefined ? {} : { device }),
      }
      const hello = await this.calls.call<Hello>('session.hello', params, 'bound', {})
      if (this.#wire === wire) this.#goLive(hello)
    } catch (thrown) {
      if (this.#wire === wire) this.#notGreeted(thrown)
    }
  }

  #goLive(hello: Hello): void {
    this.#cancelTimer?.()
    this.#hello = hello
    this.#refusals = 0
    this.#liveSince = this.world.now()
    this.#pulse.start(this.#options.pingMs ?? hello.pingMs, this.#options.pongMs)
    this.#tokens.good(hello.expiresInMs, (token) => this.#renew(token))
    this.#enter({ state: 'live' })
    for (const resume of this.#onLive) if (this.#state === 'live') resume()
    if (this.#state === 'live') this.calls.open(hello.callBytesMax)
  }

  #notGreeted(thrown: unknown): void {
    const error = thrown instanceof NitkaError ? thrown : noToken(thrown)
    const refused = error.code === 'unauthenticated' || error.code === 'forbidden'
    // Who shows too many bad ones is told to come back, and hears no more that they are bad.
    if (refused || error.field === 'token') this.#tokens.forget()
    // A function that failed was not refused: it may have a token next time.
    const ours = !(thrown instanceof NitkaError)
    const final =
      error.code === 'invalid' || (refused && !ours && (!this.#tokens.renewable || ++this.#refusals >= refusalsMax))
    this.#drop(error, final ? 'never' : 'later')
  }

  /** A newer token for the connection that is there. */
  async #renew(token: string): Promise<void> {
    const hello = await this.call<Hello>('session.hello', { token }, 'bound')
    this.#tokens.good(hello.expiresInMs, (next) => this.#renew(next))
  }

  #receive(text: string): void {
    this.#pulse.heard()
    const message = messageOf(text)
    if (message === undefined) return this.#drop(new NitkaError('lost', 'the server sent what is no message'), 'later')
    if (message.method === undefined) this.calls.answer(message.id, message.result, message.error)
    else this.#notify(message.method, message.params as never)
  }

  #notify(method: string, params: never): void {
    try {
      this.#notified.get(method)?.(params)
    } catch (error) {
      this.onError(error)
    }
  }

  /** Comes back when the server asked for it, with what must not be repeated answered, unless it closes before. */
  #draining(afterMs: number): void {
    this.events.emit('draining', { afterMs })
    const wire = this.#wire
    const leave = (): void => this.#drop(new NitkaError('draining', 'the server stops', { retry: true }), 'now')
    this.#after(afterMs, () => {
      // It closes itself once it has answered.
      if (this.#wire === wire) this.calls.drain(leave)
    })
  }

  /** The connection is over. */
  #drop(error: NitkaError, retry: 'now' | 'later' | 'never'): void {
    if (retry === 'never') return this.close(error)
    const lived = this.#state === 'live' && this.world.now() - this.#liveSince >= steadyMs
    this.#leave(error)
    // What asks to come back at once is believed once, not in a circle.
    if (lived) this.#attempts = 0
    const { retryBaseMs, retryMaxMs } = this.#options
    const most = Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(this.#attempts, 30))
    const retryInMs = Math.round(this.world.random() * most)
    this.#attempts++
    this.#after(retryInMs, () => this.#connect())
    this.#enter({ state: 'waiting', error, retryInMs })
  }

  #leave(why?: NitkaError): void {
    this.#cancelTimer?.()
    for (const cancel of this.#again) cancel()
    this.#again.clear()
    const wire = this.#wire
    this.#wire = undefined
    this.#hello = undefined
    this.#pulse.stop()
    this.#tokens.stop()
    wire?.close()
    this.calls.detach(why)
  }

  /** The page is seen again, or the network is back: better to know at once. */
  #look(): void {
    if (this.#state === 'live') this.#pulse.look()
    else if (this.#state === 'waiting') {
      this.#cancelTimer?.()
      this.#connect()
    }
  }

  #after(ms: number, task: () => void): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.world.after(ms, task)
  }

  #enter(change: StateChange): void {
    this.#state = change.state
    this.events.emit('state', change)
  }
}

function noToken(cause: unknown): NitkaError {
  return new NitkaError('unauthenticated', `there is no token: ${reasonOf(cause)}`, { cause, retry: true })
}

interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: RemoteError
}

/** Undefined: it is none. */
function messageOf(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function retryAfter(code: number | undefined): 'now' | 'later' | 'never' {
  return Object.values(closeCodes).find((one) => one.code === code)?.retry ?? 'later'
}

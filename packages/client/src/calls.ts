// Calls that wait for their answer. Owns what is sent again after a lost connection, in which order, and until when.
//
//   waiting ──sent──▶ under way ──answer──▶ done
//      ▲                  │ lost, or "later": a safe call waits again, in front of those that came after it
//      └──────────────────┘ any other call ends: `lost`

import { aborted, NitkaError, type RemoteError, reasonOf } from './errors.ts'
import type { World } from './world.ts'

/**
 * - `safe`: repeating it does no harm; it is repeated until it is answered.
 * - `once`: it waits for a connection, and is never repeated.
 * - `bound`: of this connection only; sent at once, and `lost` with it.
 */
export type Kind = 'safe' | 'once' | 'bound'

/** How long one waits for an answer. */
export interface CallOptions {
  /** Ends the wait with `aborted`. What is under way may still be done. */
  readonly signal?: AbortSignal | undefined
  /** Ends the wait with `timeout`, in milliseconds. */
  readonly timeoutMs?: number | undefined
}

export interface CallLimits {
  /** Calls that may be under way at once. */
  readonly window: number
  /** Calls that may wait or be under way. */
  readonly callsMax: number
  /** Characters of them. */
  readonly charactersMax: number
}

interface Call {
  readonly id: number
  readonly method: string
  readonly kind: Kind
  readonly text: string
  readonly resolve: (result: never, sentAt: number) => void
  readonly reject: (error: NitkaError) => void
  readonly forget: () => void
  faults: number
  /** When it was sent last, be it on a connection that is gone: it may have been done. */
  sentAt: number | undefined
  /** When the wait for it is over. */
  readonly until: number
}

/** What servers take that do not say. */
const usualBytesMax = 1_000_000
/** A character is at most this many bytes. */
const characterBytesMax = 3
/** A fault of the server may pass; one that does not must not hold up what waits behind it. */
const faultsMax = 3
const pauseMaxMs = 5_000

export class Calls {
  /** Under way on this connection, by id; ids grow in the order of the calls. */
  readonly #sent = new Map<number, Call>()
  /** In the order in which they will be sent. */
  #waiting = new Map<number, Call>()
  #characters = 0
  #ids = 0
  #send: ((text: string) => void) | undefined
  #open = false
  #ended: NitkaError | undefined
  /** Why there is no connection. */
  #why: NitkaError | undefined
  /** A larger text ends the connection. Not known before the first one. */
  #bytesMax = Number.POSITIVE_INFINITY
  #pauses = 0
  #resume: (() => void) | undefined
  #drained: (() => void) | undefined
  /** Answers that are awaited of this end, on this connection. */
  readonly #owed = new Set<object>()
  #idle: (() => void)[] = []
  readonly #world: World
  readonly #limits: CallLimits

  constructor(world: World, limits: CallLimits) {
    this.#world = world
    this.#limits = limits
  }

  /** Calls that are not answered yet. */
  get size(): number {
    return this.#sent.size + this.#waiting.size
  }

  /**
   * Rejects with a NitkaError only.
   * @param answered given the result at once, before anything that came after it: what waits for the promise runs later. And
   * when the call that it answers was sent
   */
  call<Result>(
    method: string,
    params: object,
    kind: Kind,
    options: CallOptions,
    answered?: (result: Result, sentAt: number) => void,
  ): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const settle = (result: Result, sentAt: number): void => {
        try {
          answered?.(result, sentAt)
          resolve(result)
        } catch (error) {
          reject(error)
        }
      }
      this.#admit(method, params, kind, options, settle, reject)
    })
  }

  /** Sends what is answered by nobody. False: there is no connection. @throws NitkaError `invalid`, `too-large` */
  notify(method: string, params: object): boolean {
    if (!this.#open) return false
    const text = textOf({ jsonrpc: '2.0', method, params })
    const large = this.#tooLarge(text)
    if (large !== undefined) throw large
    this.#send?.(text)
    return true
  }

  /** There is a wire for calls of this connection; the others wait until `open`. */
  attach(send: (text: string) => void): void {
    this.#send = send
  }

  /** Everything may be sent that has at most so many bytes. */
  open(bytesMax = usualBytesMax): void {
    this.#open = true
    this.#bytesMax = bytesMax
    this.#why = undefined
    this.#pump()
  }

  /** The connection is gone, and why: what is safe waits for the next one. */
  detach(why?: NitkaError): void {
    this.#why = why
    this.#send = undefined
    this.#open = false
    this.#drained = undefined
    this.#owed.clear()
    const underWay = [...this.#sent.values()]
    this.#sent.clear()
    for (const call of underWay) if (call.kind !== 'safe') this.#refuse(call, lost(call.method))
    this.#await(underWay.filter(({ kind }) => kind === 'safe'))
    this.#settle()
  }

  /** The server awaits an answer on this connection. Gives what says that it has it. */
  owe(): () => void {
    const owed = {}
    this.#owed.add(owed)
    return () => {
      if (this.#owed.delete(owed)) this.#settle()
    }
  }

  /** Nothing new is sent on this connection. Calls `done` when no answer is awaited that another connection cannot bring. */
  drain(done: () => void): void {
    this.#open = false
    this.#drained = done
    this.#settle()
  }

  /** Nothing is sent any more. */
  end(error: NitkaError): void {
    this.#ended = error
    this.detach()
    this.#resume?.()
    for (const call of this.#waiting.values()) this.#refuse(call, error)
    this.#waiting.clear()
    this.#settle()
  }

  /** False: nobody waits for it. */
  answer(id: unknown, result: unknown, error: RemoteError | undefined): boolean {
    const call = this.#sent.get(id as number)
    if (call === undefined) return false
    this.#sent.delete(call.id)
    if (error === undefined) {
      this.#pauses = 0
      this.#forget(call)
      call.resolve(result as never, call.sentAt as number)
    } else this.#refused(call, NitkaError.from(error))
    this.#pump()
    this.#settle()
    return true
  }

  /** Resolves when every call was answered. */
  idle(): Promise<void> {
    if (this.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #admit(
    method: string,
    params: object,
    kind: Kind,
    { signal, timeoutMs }: CallOptions,
    resolve: (result: never, sentAt: number) => void,
    reject: (error: NitkaError) => void,
  ): void {
    if (this.#ended !== undefined) return reject(this.#ended)
    if (signal?.aborted) return reject(aborted(signal))
    if (kind === 'bound' && this.#send === undefined) return reject(lost(method))
    const id = ++this.#ids
    let text: string
    try {
      text = textOf({ jsonrpc: '2.0', id, method, params })
    } catch (error) {
      return reject(error as NitkaError)
    }
    const full = this.#tooLarge(text) ?? this.#full(text, kind)
    if (full !== undefined) return reject(full)
    const abort = (): void => this.#giveUp(id, aborted(signal as AbortSignal))
    const late = (): void => this.#giveUp(id, timedOut(call, this.#why))
    const stop = timeoutMs === undefined ? undefined : this.#world.after(timeoutMs, late)
    signal?.addEventListener('abort', abort, { once: true })
    const forget = (): void => {
      stop?.()
      signal?.removeEventListener('abort', abort)
    }
    const until = this.#world.now() + (timeoutMs ?? Number.POSITIVE_INFINITY)
    const call: Call = { id, method, kind, text, resolve, reject, forget, until, faults: 0, sentAt: undefined }
    this.#characters += text.length
    if (kind === 'bound') return this.#transmit(call)
    this.#waiting.set(id, call)
    this.#pump()
  }

  #full(text: string, kind: Kind): NitkaError | undefined {
    const { callsMax, charactersMax } = this.#limits
    if (kind === 'bound' || (this.size < callsMax && this.#characters + text.length <= charactersMax)) return undefined
    return new NitkaError('overloaded', `${this.size} calls wait for their answer already; wait for some of them`, {
      retry: true,
    })
  }

  #pump(): void {
    if (!this.#open || this.#resume !== undefined) return
    for (const [id, call] of this.#waiting) {
      if (this.#sent.size >= this.#limits.window) return
      this.#waiting.delete(id)
      // Timers sleep with the computer: what is repeated too late is not known for a repeat any more.
      const late = this.#world.now() < call.until ? undefined : timedOut(call, undefined)
      const refused = this.#tooLarge(call.text) ?? late
      if (refused === undefined) this.#transmit(call)
      else this.#refuse(call, refused)
    }
    this.#settle()
  }

  #transmit(call: Call): void {
    this.#sent.set(call.id, call)
    call.sentAt = this.#world.now()
    this.#send?.(call.text)
  }

  #refused(call: Call, error: NitkaError): void {
    if (call.kind !== 'safe' || !passing(error, ++call.faults)) return this.#refuse(call, error)
    this.#await([call])
    if (this.#resume !== undefined) return
    const pauseMs = this.#world.random() * Math.min(pauseMaxMs, 100 * 2 ** this.#pauses++)
    const cancel = this.#world.after(pauseMs, () => {
      this.#resume = undefined
      this.#pump()
    })
    this.#resume = () => {
      cancel()
      this.#resume = undefined
    }
  }

  /** They wait again, in front of what was called after them, so that order is kept as far as it can be. */
  #await(calls: readonly Call[]): void {
    if (calls.length === 0) return
    const again = [...calls, ...this.#waiting.values()].sort((a, b) => a.id - b.id)
    this.#waiting = new Map(again.map((one) => [one.id, one]))
  }

  #giveUp(id: number, error: NitkaError): void {
    const call = this.#waiting.get(id) ?? this.#sent.get(id)
    if (call === undefined) return
    this.#waiting.delete(id)
    this.#sent.delete(id)
    this.#refuse(call, error)
    this.#pump()
    this.#settle()
  }

  #refuse(call: Call, error: NitkaError): void {
    this.#forget(call)
    call.reject(error)
  }

  #tooLarge(text: string): NitkaError | undefined {
    if (text.length * characterBytesMax <= this.#bytesMax) return undefined
    const bytes = new TextEncoder().encode(text).length
    if (bytes <= this.#bytesMax) return undefined
    return new NitkaError('too-large', `the call is ${bytes} bytes, the server takes ${this.#bytesMax}`)
  }

  #forget(call: Call): void {
    this.#characters -= call.text.length
    call.forget()
  }

  #awaited(): boolean {
    return this.#owed.size > 0 || [...this.#sent.values()].some(({ kind }) => kind === 'once')
  }

  #settle(): void {
    if (this.#drained !== undefined && !this.#awaited()) this.#drained()
    if (this.size > 0) return
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }
}

/** @throws NitkaError `invalid` */
function textOf(message: object): string {
  try {
    return JSON.stringify(message)
  } catch (cause) {
    throw new NitkaError('invalid', `this is not JSON: ${reasonOf(cause)}`, { cause })
  }
}

function timedOut({ method, sentAt }: Call, cause: NitkaError | undefined): NitkaError {
  if (sentAt !== undefined)
    return new NitkaError('timeout', `${method} was not answered in time; whether it was done is unknown`)
  const why = cause === undefined ? '' : `: ${cause.message}`
  return new NitkaError('timeout', `${method} was not sent in time, and is not done${why}`, { cause, retry: true })
}

export function lost(method: string): NitkaError {
  return new NitkaError('lost', `the connection was lost before ${method} was answered; whether it was done is unknown`)
}

/** Whether the same call, repeated, may be answered otherwise. */
function passing({ code }: NitkaError, faults: number): boolean {
  return code === 'unavailable' || code === 'draining' || (code === 'internal' && faults < faultsMax)
}

// The relay: what one client of a channel says, all others hear; not stored, the newest wins.

import type { Contract, Named, NameOf } from './contract.ts'
import { Emitter } from './emitter.ts'
import { endable } from './endable.ts'
import { NitkaError } from './errors.ts'
import type { Line } from './line.ts'

/** What `channel.on` tells. */
export interface RelayEvents<Message> {
  /** What another client of the channel published. `binary`: a plain client sent a binary frame; the message is base64. */
  message: { readonly message: Message; readonly binary: boolean }
  /** The server has let it in, at first or again after a lost connection. */
  joined: object
  /** It is over. Told once. */
  left: { readonly error?: NitkaError }
}

interface Published {
  readonly channel: string
  readonly message: never
  readonly binary?: boolean
}

/** One that goes over the messages of a channel. */
interface Loop {
  over: boolean
  wake: (() => void) | undefined
}

/** More than this in the socket, and a message is rather not sent than sent late. */
const unsentMax = 1_048_576
const keptMax = 1_000

/** A channel that this client is in, over any number of connections. */
export class RelayChannel<Message = unknown> {
  readonly name: string
  readonly #line: Line
  readonly #events: Emitter<RelayEvents<Message>>
  readonly #onLeft: () => void
  #joined = false
  #over = false

  /** Channels are made by `nitka.relay`. */
  constructor(line: Line, name: string, onLeft: () => void) {
    this.#line = line
    this.name = name
    this.#events = new Emitter(line.onError)
    this.#onLeft = onLeft
  }

  /** Whether what is published now goes out. */
  get joined(): boolean {
    return this.#joined && !this.#over && this.#line.state === 'live'
  }

  /** Calls `listener` at each event of that name. Returns how to stop. */
  on<Name extends keyof RelayEvents<Message>>(
    name: Name,
    listener: (event: RelayEvents<Message>[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener)
  }

  /**
   * Sends to all others in the channel, at most once: nothing is kept for later. False: it was not sent, because there is
   * no connection, or the socket is full.
   * @throws NitkaError `invalid` when it is not JSON, `too-large`
   */
  publish(message: Message): boolean {
    if (!this.joined || this.#line.unsent > unsentMax) return false
    return this.#line.calls.notify('relay.publish', { channel: this.name, message })
  }

  /** What others publish, for `for await`. A loop that is slower than the channel misses the oldest. */
  messages({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Message, void, undefined> {
    const loop: Loop = { over: false, wake: undefined }
    return endable(this.#messages(loop, signal), () => {
      loop.over = true
      loop.wake?.()
    })
  }

  async *#messages(loop: Loop, signal: AbortSignal | undefined): AsyncGenerator<Message, void, undefined> {
    const kept: Message[] = []
    const wake = (): void => loop.wake?.()
    const offs = [
      this.on('message', ({ message }) => {
        if (kept.push(message) > keptMax) kept.shift()
        wake()
      }),
      this.on('left', wake),
    ]
    signal?.addEventListener('abort', wake)
    try {
      for (;;) {
        while (kept.length > 0) yield kept.shift() as Message
        if (this.#over || loop.over || signal?.aborted) return
        await new Promise<void>((resolve) => {
          loop.wake = resolve
        })
      }
    } finally {
      for (const off of offs) off()
      signal?.removeEventListener('abort', wake)
    }
  }

  /** Hears no more. */
  leave(): void {
    if (this.#over) return
    this.end()
    void this.#line.call('relay.leave', { channel: this.name }, 'bound').catch(() => undefined)
  }

  /** As `leave`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.leave()
  }

  /** @internal Joins, at first or again. */
  async resume(): Promise<void> {
    this.#joined = false
    try {
      await this.#line.call('relay.join', { channel: this.name }, 'bound')
      if (this.#over) return
      this.#joined = true
      this.#events.emit('joined', {})
    } catch (thrown) {
      const error = thrown as NitkaError
      if (error.code === 'lost' || this.#over) return
      if (error.retry) return void this.#line.again(() => !this.#over && void this.resume())
      this.#events.unheard('left', error)
      this.end(error)
    }
  }

  /** @internal */
  receive(message: Message, binary: boolean): void {
    this.#events.emit('message', { message, binary })
  }

  /** @internal It is over. */
  end(error?: NitkaError): void {
    if (this.#over) return
    this.#over = true
    this.#onLeft()
    this.#events.emit('left', error === undefined ? {} : { error })
  }
}

export class Relay<App extends Contract = Contract> {
  readonly #line: Line
  readonly #channels = new Map<string, RelayChannel<never>>()

  constructor(line: Line) {
    this.#line = line
    line.onLive(() => {
      for (const channel of this.#channels.values()) void channel.resume()
    })
    line.on<Published>('relay.message', ({ channel, message, binary = false }) =>
      this.#channels.get(channel)?.receive(message, binary),
    )
  }

  channel<Name extends NameOf<App, 'relay'>>(name: Name): RelayChannel<Named<App, 'relay', Name>> {
    if (this.#line.state === 'closed') throw new NitkaError('closed', 'the client was closed')
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = new RelayChannel<never>(this.#line, name, () => this.#channels.delete(name))
      this.#channels.set(name, channel)
      if (this.#line.state === 'live') void channel.resume()
    }
    return channel as unknown as RelayChannel<Named<App, 'relay', Name>>
  }

  end(error: NitkaError | undefined): void {
    for (const channel of [...this.#channels.values()]) channel.end(error)
  }
}

// The bus over NATS, without its streams: what is published now is heard by those who listen now. It says "look", no more;
// a node that was away looks by itself.

import { errors, type NatsConnection } from '@nats-io/nats-core'
import { connect } from '@nats-io/transport-node'
import type { Bus, BusSubscription } from '../../bus.ts'
import { type NatsFiles, natsAccess } from './access.ts'
import { natsUrls } from './addresses.ts'

export interface NatsBusOptions {
  /** `nats://user:password@host:port` or `tls://…`, several separated by commas. */
  readonly url: string
  readonly files?: NatsFiles
  /** Told when what was published may have been missed: the connection is back, or this node was too slow. */
  readonly onGap: () => void
  /** Told what a handler threw, and what the server refuses. */
  readonly onError: (error: unknown) => void
}

/** Clusters of other programs, or of another version, do not hear each other. */
const prefix = 'nitka.1.'
const pingMs = 5_000

/** Bytes that the server has not taken yet, as far as is known. Beyond it what is published is lost, as if it was away. */
const untakenBytesMax = 32 * 1024 * 1024

/** Bytes of a message that a server must take, which is what it takes when nobody has changed that. */
const messageBytesMax = 1024 * 1024

/** After so many bytes the server is asked whether it has taken them. */
const askedBytes = 1024 * 1024

export class NatsBus implements Bus {
  readonly alone = false
  /** Messages that were not sent because the server took nothing, or none as large. */
  dropped = 0
  readonly #connection: NatsConnection
  readonly #options: NatsBusOptions
  #healthy = true
  /** The server does not let this user publish, or subscribe. */
  #refused = false
  #closing = false
  /** Bytes published since the server last said that it has everything. */
  #untaken = 0
  #asked = false

  private constructor(connection: NatsConnection, options: NatsBusOptions) {
    this.#connection = connection
    this.#options = options
    void this.#watch()
  }

  /**
   * Resolves when it is connected. From then on it stays, and comes back by itself. Rejects when nobody answers, or who answers
   * takes too little.
   */
  static async open(options: NatsBusOptions): Promise<NatsBus> {
    const connection = await connect({
      ...natsAccess(natsUrls(options.url), options.files),
      name: 'nitka',
      // A node has told its own sessions before it tells the others.
      noEcho: true,
      reconnect: true,
      maxReconnectAttempts: -1,
      // Passwords may be changed, and changed back: refused twice is not refused for good.
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      pingInterval: pingMs,
      maxPingOut: 2,
      timeout: 5_000,
    })
    const { max_payload: takes = messageBytesMax } = connection.info ?? {}
    if (takes < messageBytesMax) {
      await connection.close()
      throw new Error(`it takes messages of at most ${takes} bytes, its max_payload must be ${messageBytesMax} or more`)
    }
    return new NatsBus(connection, options)
  }

  /** Of the server. */
  get version(): string {
    return this.#connection.info?.version ?? ''
  }

  get healthy(): boolean {
    return this.#healthy && !this.#refused && !this.#closing
  }

  publish(subject: string, bytes: Uint8Array): void {
    // What waits for a connection that is away would be old when it leaves: those who listen look by themselves then.
    if (!this.#healthy || this.#closing) return
    // The client throws at what the server would not take: the one that it is connected to now, which may be another.
    const { max_payload: takes = messageBytesMax } = this.#connection.info ?? {}
    if (bytes.length > takes || this.#untaken + bytes.length > untakenBytesMax) {
      this.dropped++
      return
    }
    this.#untaken += bytes.length
    // The bytes are the caller's again at once.
    this.#connection.publish(prefix + subject, bytes.slice())
    if (this.#untaken >= askedBytes && !this.#asked) void this.#ask()
  }

  /** The client of NATS keeps what the server does not take, however much: what may wait is bounded here. */
  async #ask(): Promise<void> {
    this.#asked = true
    const before = this.#untaken
    // A connection that is lost has nothing under way any more.
    await this.#connection.flush().catch(() => undefined)
    this.#untaken = Math.max(0, this.#untaken - before)
    this.#asked = false
    if (this.#untaken >= askedBytes && this.#healthy && !this.#closing) void this.#ask()
  }

  subscribe(subject: string, handler: (bytes: Uint8Array) => void): BusSubscription {
    if (this.#closing) return { cancel: () => undefined }
    const subscription = this.#connection.subscribe(prefix + subject, {
      callback: (error, message) => {
        // Told with what else the server refuses.
        if (error !== null) return
        try {
          handler(message.data)
        } catch (thrown) {
          this.#options.onError(thrown)
        }
      },
    })
    return {
      cancel: () => {
        if (!subscription.isClosed()) subscription.unsubscribe()
      },
    }
  }

  /** Resolves when what was published and subscribed before has reached the server. */
  async flush(): Promise<void> {
    if (!this.#closing) await this.#connection.flush()
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    await this.#connection.close()
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      const { type } = status
      if (type === 'disconnect') {
        this.#healthy = false
        // What was under way is lost, or sent again by the client.
        this.#untaken = 0
        this.#asked = false
      } else if (type === 'reconnect') {
        this.#healthy = true
        this.#refused = false
        this.#options.onGap()
      } else if (type === 'slowConsumer') this.#options.onGap()
      else if (type === 'error' && status.error instanceof errors.PermissionViolationError) {
        this.#refused = true
        this.#options.onError(status.error)
      }
    }
  }
}

// The TCP door: takes connections on a port or a Unix socket, cuts what they send into values, and joins socket, wire,
// session and dialect. Knows no rule of any service.

import { chmodSync, readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { NitkaError, toNitkaError } from '@nitka/protocol'
import type { Admission, Admitted } from '../sessions/admission.ts'
import type { LineDialect, LineEndpoint } from '../sessions/dialect.ts'
import type { Session } from '../sessions/session.ts'
import type { Wire } from '../sessions/wire.ts'
import { type Clock, sleep, type Timer } from '../world.ts'
import { boundLastBytes } from './last-bytes.ts'
import { tcpFramings } from './tcp-framing.ts'
import { type Ending, Splitter } from './tcp-splitter.ts'
import { TcpWire } from './tcp-wire.ts'

export interface TcpDoorOptions {
  readonly clock: Clock
  readonly endpoint: LineEndpoint
  readonly admission: Admission
  /** Largest value, bytes. */
  readonly valueBytesMax: number
  /** Sockets in all, 0: no limit. */
  readonly socketsMax: number
  /** How long an unfinished value, or a handshake of TLS, may take, 0: for ever. */
  readonly unfinishedMs: number
  /** Idle time after which the kernel asks whether the peer is there, 0: never. */
  readonly keepAliveMs: number
  /** How long a peer has to close after us. */
  readonly goodbyeMs: number
  /** Files of a certificate and its key: TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly newSession: (birth: Admitted & { readonly wire: Wire }) => Session
  readonly onMessage: (bytes: number) => void
  readonly onError: (error: unknown, where: string) => void
}

const sweepMs = 1_000

export class TcpDoor {
  readonly #options: TcpDoorOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #unfinished = new Set<Unfinished>()
  readonly #timer: Timer
  #sweptAt: number

  /** @throws NitkaError `invalid` the certificate cannot be read */
  constructor(options: TcpDoorOptions) {
    this.#options = options
    const { tls } = options
    const take = (socket: Socket): void => this.#take(socket)
    // Who has said everything may still read the answers: `nc` does so.
    const half = { allowHalfOpen: true }
    const shake = options.unfinishedMs === 0 ? {} : { handshakeTimeout: options.unfinishedMs }
    this.#server =
      tls === undefined ? createServer(half, take) : createTlsServer({ ...half, ...shake, ...readTls(tls) }, take)
    if (options.socketsMax !== 0) this.#server.maxConnections = options.socketsMax
    this.#server.on('drop', () => options.admission.registry.refused++)
    // A handshake that takes too long, or is none, is only told of.
    this.#server.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
    this.#sweptAt = options.clock.monotonic()
    this.#timer = options.clock.every(sweepMs, () => this.#sweep())
  }

  /** Takes connections from now on, on a port, or on a Unix socket when `host` is a path. */
  async listen(at: { readonly host: string; readonly port: number; readonly sharePort: boolean }): Promise<void> {
    const { host, port, sharePort } = at
    const server = this.#server
    const hints: Readonly<Record<string, string>> = {
      EADDRINUSE: `${host.includes('/') ? host : `port ${port} on ${host}`} is in use; stop what uses it, or choose another with --socket-port or --socket-host`,
      EACCES: `${host}:${port} may not be opened by this user`,
      EADDRNOTAVAIL: `this machine has no address ${host}; choose another with --socket-host`,
      ENOTFOUND: `the host ${host} is not known; choose another with --socket-host`,
    }
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const hint = hints[error.code ?? '']
        reject(hint === undefined ? error : new NitkaError('invalid', hint, { cause: error }))
      })
      if (host.includes('/')) server.listen(host, resolve)
      else server.listen({ host, port, reusePort: sharePort }, resolve)
    })
    // Whoever may use the folder is the owner's choice, not everybody's.
    if (host.includes('/')) chmodSync(host, 0o600)
    server.on('error', (error) => this.#options.onError(error, 'tcp'))
  }

  /** The port that was given, 0 on a Unix socket. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Takes nobody more; resolves when the connections are gone, or after `ms`, when it ends what is left. */
  async close(ms: number): Promise<void> {
    this.#timer.cancel()
    const { clock } = this.#options
    if (this.#server.listening) this.#server.close()
    const start = clock.monotonic()
    while (this.#sockets.size > 0 && clock.monotonic() - start < ms) await sleep(clock, 10)
    for (const socket of this.#sockets) socket.destroy()
  }

  #take(socket: Socket): void {
    socket.on('error', ignore)
    socket.pause()
    this.#open(socket).catch((thrown: unknown) => {
      const error = toNitkaError(thrown)
      if (error.code === 'internal') this.#options.onError(thrown, 'tcp')
      const text = JSON.stringify({ type: 'errMsgFromClient', queryIndex: 0, resultJob: { err: error.message } })
      socket.end(`${text}\n`)
      this.#bound(socket)
    })
  }

  async #open(socket: Socket): Promise<void> {
    const { admission, endpoint, newSession, keepAliveMs } = this.#options
    admission.knock()
    const address = socket.remoteAddress ?? ''
    // Any value may be a call of the rpc dialect.
    const asked = { params: {}, query: new URLSearchParams(), rpc: true }
    const admitted = await admission.admit({
      endpoint,
      asked,
      path: '',
      authorization: undefined,
      protocols: [],
      address,
    })
    if (socket.destroyed) return
    socket.setNoDelay(true)
    if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs)
    const wire = new TcpWire(socket)
    const session = newSession({ ...admitted, wire })
    admission.registry.add(session)
    session.onClose(() => this.#bound(socket))
    this.#sockets.add(socket)
    const dialect = endpoint.open(session)
    session.speak(dialect)
    this.#listen(socket, wire, session, dialect)
  }

  #listen(socket: Socket, wire: TcpWire, session: Session, dialect: LineDialect): void {
    const { clock, valueBytesMax, onMessage } = this.#options
    const value = (text: string, bytes: number, ending: Ending): void => {
      if (!session.listening) return
      wire.framing = tcpFramings[ending]
      onMessage(bytes)
      session.intake.count()
      dialect.receiveLine(text, bytes, wire.framing)
    }
    const tooLarge = (ending: Ending | undefined): void => {
      if (ending !== undefined) wire.framing = tcpFramings[ending]
      const error = new NitkaError('too-large', `a value may have at most ${valueBytesMax} bytes`)
      dialect.refuseLine(error, wire.framing)
      session.close('tooLarge')
    }
    const splitter = new Splitter(valueBytesMax, { value, tooLarge, ready: () => !wire.paused })
    const late = (): void => {
      // What we do not read cannot come.
      if (wire.paused) return
      this.#unfinished.delete(unfinished)
      dialect.refuseLine(new NitkaError('timeout', 'a value was begun and not ended in time'), wire.framing)
      session.close('policy')
    }
    const unfinished = new Unfinished(splitter, clock, late)
    this.#unfinished.add(unfinished)
    wire.onResume = () => {
      splitter.goOn()
      unfinished.since = Number.POSITIVE_INFINITY
      unfinished.look()
    }
    session.onClose(() => splitter.end())
    let clean = false
    socket.on('data', (chunk: Buffer) => {
      splitter.take(chunk)
      unfinished.look()
    })
    socket.on('end', () => {
      clean = true
      // What it said before counts, also where reading it was held back.
      splitter.finish()
      if (session.ended !== undefined) return
      session.endedClean = true
      dialect.leaving()
      session.finish('goingAway')
    })
    socket.on('close', (failed: boolean) => {
      splitter.end()
      this.#unfinished.delete(unfinished)
      this.#sockets.delete(socket)
      session.gone(clean && !failed)
    })
    socket.resume()
  }

  /** A peer that reads nothing more, or does not close after us, is cut off. */
  #bound(socket: Socket): void {
    const { clock, goodbyeMs } = this.#options
    boundLastBytes(socket, socket, clock, goodbyeMs)
  }

  #sweep(): void {
    const { clock, unfinishedMs } = this.#options
    if (unfinishedMs === 0) return
    const now = clock.monotonic()
    // While this process stood still it read nobody: that is not their slowness.
    const missedMs = Math.max(0, now - this.#sweptAt - 2 * sweepMs)
    this.#sweptAt = now
    for (const one of [...this.#unfinished]) {
      one.since += missedMs
      if (now - one.since >= unfinishedMs) one.late()
    }
  }
}

/** How long the value that is coming in on a connection has been on its way. */
class Unfinished {
  /** When it began, monotonic; infinite while none does. */
  since = Number.POSITIVE_INFINITY
  /** What to do when it takes too long. */
  readonly late: () => void
  readonly #splitter: Splitter
  readonly #clock: Clock
  #finished = 0

  constructor(splitter: Splitter, clock: Clock, late: () => void) {
    this.#splitter = splitter
    this.#clock = clock
    this.late = late
  }

  /** More has come: it may be another value by now. */
  look(): void {
    const { unfinished, finished } = this.#splitter
    if (unfinished === 0) this.since = Number.POSITIVE_INFINITY
    else if (finished !== this.#finished || this.since === Number.POSITIVE_INFINITY)
      this.since = this.#clock.monotonic()
    this.#finished = finished
  }
}

/** @throws NitkaError `invalid` */
function readTls({ cert, key }: { readonly cert: string; readonly key: string }): { cert: Buffer; key: Buffer } {
  try {
    return { cert: readFileSync(cert), key: readFileSync(key) }
  } catch (error) {
    throw new NitkaError('invalid', `the certificate cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

function ignore(): void {
  // Errors of a socket end in its `close` event, which is where they are handled.
}

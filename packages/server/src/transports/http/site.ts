// Where requests and upgrades come from: a server of our own, which listens, or the server of a program that we are
// attached to (attachment.ts).

import type { IncomingMessage } from 'node:http'
import type { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { NitkaError } from '@nitka/protocol'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../../world.ts'

export interface Site {
  /** Where clients find it, without a slash at the end. @throws NitkaError `invalid` while nothing listens */
  readonly url: string
  /** Takes requests and upgrades from now on. @throws NitkaError `invalid`, `conflict` in one line for a person */
  open(): Promise<void>
  /** Takes nothing more. What is under way may end within `ms`, then it is cut off. May be called without `open`. */
  close(ms: number): Promise<void>
}

/** What a site hands its requests and upgrades to. */
export interface SiteDoors {
  readonly http: FastifyInstance
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

export interface Address {
  readonly host: string
  readonly port: number
  /** Other processes may listen there, too; the system spreads connections over them. */
  readonly sharePort: boolean
}

/** A server of our own, on an address and a port. */
export class OwnSite implements Site {
  readonly #http: FastifyInstance
  readonly #at: Address
  readonly #clock: Clock

  constructor({ http, upgrade }: SiteDoors, at: Address, clock: Clock) {
    this.#http = http
    this.#at = at
    this.#clock = clock
    http.server.on('upgrade', upgrade)
  }

  get url(): string {
    return originOf(this.#http.server, 'http')
  }

  async open(): Promise<void> {
    const { host, port, sharePort } = this.#at
    const hints: Readonly<Record<string, string>> = {
      EADDRINUSE: `port ${port} on ${host} is in use; stop what uses it, or choose another: --port, NITKA_PORT, or the option port`,
      EACCES: `port ${port} may not be opened by this user; choose one from 1024 on`,
      EADDRNOTAVAIL: `this machine has no address ${host}; choose another with --host`,
      ENOTFOUND: `the host ${host} is not known; choose another with --host`,
    }
    try {
      await this.#http.listen({ host, port, ...(sharePort ? { reusePort: true } : {}) })
    } catch (error) {
      const hint = hints[(error as NodeJS.ErrnoException).code ?? '']
      throw hint === undefined ? error : new NitkaError('invalid', hint, { cause: error })
    }
  }

  async close(ms: number): Promise<void> {
    const late = this.#clock.after(ms, () => this.#http.server.closeAllConnections())
    await this.#http.close()
    late.cancel()
  }
}

/**
 * `http://127.0.0.1:8080`, as a client on this machine would write it; `http+unix:/run/app.sock:` for a Unix socket.
 * @throws NitkaError `invalid` it does not listen
 */
export function originOf(server: NetServer, scheme: 'http' | 'https'): string {
  const at = server.address()
  if (at === null) throw new NitkaError('invalid', 'the HTTP server does not listen, so there is no url')
  if (typeof at === 'string') return `${scheme}+unix:${at}:`
  const { address, port, family } = at
  const bare = address === '::' || address === '0.0.0.0' ? 'localhost' : address
  return `${scheme}://${family === 'IPv6' && bare === address ? `[${bare}]` : bare}:${port}`
}

// Attached to the HTTP server of another program: a site below one of its paths.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server as TlsServer } from 'node:tls'
import { NitkaError } from '@nitka/protocol'
import type { Clock } from '../../world.ts'
import { type HostServer, takePath } from './host-hook.ts'
import { originOf, type Site, type SiteDoors } from './site.ts'

/** A server that exists already, to be attached to. */
export interface Attach {
  /** Listening or not yet. Of a Fastify app it is `app.server`, of Express what `app.listen` gives. HTTP/1.1 only. */
  readonly server: HostServer
  /**
   * Nitka takes this path and all below it, and sees it without this beginning. Default `/nitka`. Segments of
   * `A-Z a-z 0-9 _ . ~ -`, without a slash at the end. `/` is everything, and only for a server without listeners.
   */
  readonly path?: string
}

export class Attachment implements Site {
  readonly #server: HostServer
  readonly #path: string
  readonly #doors: SiteDoors
  readonly #clock: Clock
  /** Answers under way. */
  readonly #answers = new Set<ServerResponse>()
  #allAnswered: (() => void) | undefined
  #leave: (() => void) | undefined

  /** @throws NitkaError `invalid` the path cannot be one */
  constructor(attach: Attach, doors: SiteDoors, clock: Clock) {
    this.#server = attach.server
    this.#path = pathOf(attach)
    this.#doors = doors
    this.#clock = clock
  }

  get url(): string {
    const origin = originOf(this.#server, this.#server instanceof TlsServer ? 'https' : 'http')
    return this.#path === '/' ? origin : origin + this.#path
  }

  async open(): Promise<void> {
    const { upgrade } = this.#doors
    this.#leave = takePath(this.#server, this.#path, { request: this.#request, upgrade })
  }

  async close(ms: number): Promise<void> {
    this.#leave?.()
    if (this.#answers.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#allAnswered = resolve
      const late = this.#clock.after(ms, () => {
        for (const answer of this.#answers) answer.destroy()
      })
      await promise
      late.cancel()
    }
    await this.#doors.http.close()
  }

  readonly #request = (request: IncomingMessage, response: ServerResponse): void => {
    this.#answers.add(response)
    response.once('close', () => {
      this.#answers.delete(response)
      if (this.#answers.size === 0) this.#allAnswered?.()
    })
    this.#doors.http.routing(request, response)
  }
}

/** The address that a server listens on; undefined while it does not listen, and on a Unix socket. */
export function addressOf(server: HostServer): string | undefined {
  const at = server.address()
  return typeof at === 'object' ? at?.address : undefined
}

/** @throws NitkaError `invalid` it cannot be a path */
export function pathOf({ path = '/nitka' }: Attach): string {
  if (path === '/' || (/^(\/[\w.~-]+)+$/.test(path) && path.length <= 200)) return path
  throw new NitkaError('invalid', `the path to attach at must look like /nitka, without a slash at the end: ${path}`)
}

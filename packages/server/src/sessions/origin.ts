// Which web pages may talk to this server. A browser sends Origin and Host itself, so checking both keeps foreign pages
// and rebound names out, in `open` mode too: any page can reach a server on loopback.

import type { IncomingHttpHeaders } from 'node:http'
import { NitkaError } from '@nitka/protocol'

export class OriginGuard {
  readonly #origins: ReadonlySet<string>
  readonly #hosts: ReadonlySet<string>
  readonly #loopbackOnly: boolean

  /**
   * @param origins allowed besides the server's own, exact (`https://app.example`), `*` for any
   * @param hosts allowed in Host besides loopback names and addresses, without port; `*` for any
   * @param loopbackOnly what comes from other machines is refused: for a server whose address somebody else chooses
   */
  constructor(origins: readonly string[], hosts: readonly string[], loopbackOnly = false) {
    this.#loopbackOnly = loopbackOnly
    this.#origins = new Set(origins.map((origin) => origin.toLowerCase()))
    this.#hosts = new Set([...hosts.map((host) => host.toLowerCase()), 'localhost', '127.0.0.1', '[::1]'])
  }

  /** @param at the address of ours that it came to; undefined on a Unix socket. @throws NitkaError `forbidden` */
  check(host: string | undefined, origin: string | undefined, at?: string): void {
    if (this.#loopbackOnly && at !== undefined && !isLoopback(at)) {
      throw new NitkaError('forbidden', 'without authentication only this machine is served; allowOpen permits others')
    }
    const own = (host ?? '').toLowerCase()
    if (!this.#hosts.has('*') && !this.#hosts.has(withoutPort(own))) {
      throw new NitkaError('forbidden', 'Host is not one of the allowed hosts', { field: 'Host' })
    }
    if (origin === undefined || this.#origins.has('*')) return
    const from = origin.toLowerCase()
    if (from === `http://${own}` || from === `https://${own}` || this.#origins.has(from)) return
    throw new NitkaError('forbidden', 'Origin is not one of the allowed origins', { field: 'Origin' })
  }
}

/**
 * For a GET that does something: a picture, or a download, of a foreign page brings no Origin, but the browser says where it comes
 * from (Fetch Metadata). @throws NitkaError `forbidden`
 */
export function refuseForeign({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders): void {
  if (origin !== undefined || (site !== 'cross-site' && site !== 'same-site')) return
  throw new NitkaError('forbidden', 'a page of another origin asks for this without saying so', { field: 'Origin' })
}

function withoutPort(host: string): string {
  return host.replace(/:\d{1,5}$/, '')
}

/** Whether an address or name means this machine. */
export function isLoopback(address: string): boolean {
  const bare = address.replace(/^::ffff:/, '')
  return bare === 'localhost' || bare === '::1' || bare === '[::1]' || /^127(\.\d{1,3}){3}$/.test(bare)
}

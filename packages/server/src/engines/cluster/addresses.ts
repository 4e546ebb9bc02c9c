// Addresses of Postgres and NATS, as an operator gave them: what is wrong with them is told without passwords.

import { NitkaError } from '@nitka/protocol'

/** @throws NitkaError `invalid` */
export function checkUrl(url: string, field: string, schemes: readonly string[]): void {
  const scheme = URL.canParse(url) ? new URL(url).protocol : ''
  if (schemes.includes(scheme)) return
  const wanted = schemes.map((one) => `${one}//`).join(', ')
  throw new NitkaError('invalid', `${field} must be an address that begins with ${wanted}`, { field })
}

/** Says which of the two it was, without passwords. @param urls valid ones */
export async function answering<T>(what: string, urls: readonly string[], open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (thrown) {
    const hosts = urls.map((url) => new URL(url).host)
    const reason = causeOf(thrown)
    throw new NitkaError('unavailable', `cannot use ${what} at ${hosts.join(', ')}: ${reason}`, { cause: thrown })
  }
}

/** The addresses of NATS in an option: several are separated by commas. @throws NitkaError `invalid` */
export function natsUrls(option: string): readonly string[] {
  const urls = option.split(',').map((one) => one.trim())
  for (const url of urls) checkUrl(url, 'natsUrl', ['nats:', 'tls:'])
  return urls
}

export interface NatsAccess {
  readonly servers: string[]
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  /** There: a server that does not encrypt is refused. */
  readonly tls?: Record<never, never>
}

/**
 * What the client of NATS is given: it takes hosts and ports from addresses, and nothing else. All servers are of one cluster, so
 * the first name and password are those for all of them; a name alone is a token.
 */
export function natsAccess(urls: readonly string[]): NatsAccess {
  const all = urls.map((url) => new URL(url))
  const { username = '', password = '' } = all.find((url) => url.username !== '') ?? {}
  const [name, pass] = [decodeURIComponent(username), decodeURIComponent(password)]
  return {
    servers: all.map(({ host }) => host),
    ...(name === '' ? {} : pass === '' ? { token: name } : { user: name, pass }),
    ...(all.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {}),
  }
}

function causeOf(thrown: unknown): string {
  const { message, cause } = thrown as Error
  return cause instanceof Error ? cause.message : message
}

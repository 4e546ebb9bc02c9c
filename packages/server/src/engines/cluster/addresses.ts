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

function causeOf(thrown: unknown): string {
  const { message, cause } = thrown as Error
  return cause instanceof Error ? cause.message : message
}

// Six crawlers share three proxy servers: each asks for the first one that is free, and nobody else has it meanwhile.

import { connect, type Nitka } from '@nitka/client/tcp'
import { temporaryServer } from 'nitka/testing'

interface App {
  pools: { proxies: { address: string } }
}

/** What the proxies guard. It refuses whoever shows a smaller token than it has seen: somebody else has the proxy by now. */
export class Site {
  readonly #newest = new Map<string, number>()
  readonly visits: string[] = []

  visit(proxy: string, token: number, page: string): void {
    if (token < (this.#newest.get(proxy) ?? 0)) throw new Error(`token ${token} for ${proxy} is an old one`)
    this.#newest.set(proxy, token)
    this.visits.push(`${proxy} ${page}`)
  }
}

/** Fetches pages through one proxy, which is given back when they are all there. */
export async function crawl(nitka: Nitka<App>, site: Site, pages: readonly string[]): Promise<void> {
  // Waits in line for up to half a minute; the hold ends after 10 s unless it is renewed.
  await using hold = await nitka.pools.acquire('proxies', { wait: 30_000, ttl: 10_000 })
  const [proxy] = hold.resources
  for (const page of pages) {
    site.visit(proxy?.id ?? '', hold.token, page)
    await hold.renew()
  }
  console.log(`${pages[0]}… through ${proxy?.data?.address}`)
}

/** A crawler that holds a proxy and falls asleep. When it wakes up, its time is over, and it does not know. */
export async function oversleep(nitka: Nitka<App>, site: Site): Promise<string> {
  const hold = await nitka.pools.acquire('proxies', { ttl: 200 })
  const proxy = hold.resources[0]?.id ?? ''
  await new Promise((wake) => hold.signal.addEventListener('abort', wake))
  // The others took all proxies since, and each visit showed a larger token.
  await Promise.all(['a', 'b', 'c'].map((name) => crawl(nitka, site, [`${name}1`, `${name}2`])))
  try {
    site.visit(proxy, hold.token, 'late')
    return 'the sleeper was let in'
  } catch (error) {
    return `the sleeper is refused: ${(error as Error).message}`
  }
}

if (import.meta.main) {
  await using app = await temporaryServer({ socketHost: '127.0.0.1', socketPort: 0 })
  await using nitka = connect<App>(`tcp://127.0.0.1:${app.server.socketPort}`)
  await nitka.pools.add('proxies', [
    { id: 'a', data: { address: '10.0.0.1:3128' } },
    { id: 'b', data: { address: '10.0.0.2:3128' } },
    { id: 'c', data: { address: '10.0.0.3:3128' } },
  ])
  const site = new Site()
  const crawlers = Array.from({ length: 6 }, (_, i) =>
    crawl(nitka, site, [`page ${i}.1`, `page ${i}.2`, `page ${i}.3`]),
  )
  await Promise.all(crawlers)
  console.log(await oversleep(nitka, site))
}

// `GET /nitka.js`: the client library as one module, for pages without a bundler. Nobody is asked who they are: a page loads
// its code before it knows. The file is a product (scripts/browser-client.mjs), so a checkout may be without it.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { NitkaError } from '@nitka/protocol'
import type { FastifyInstance } from 'fastify'

/** Beside `src` in the checkout as in the published package. */
const builtFile = new URL('../../../browser/nitka.js', import.meta.url)

/** A page that is open for long asks again; an update of the server is seen after this. */
const freshSeconds = 300

interface Script {
  readonly plain: Buffer
  readonly gzipped: Buffer
  /** Weak: one for both encodings. */
  readonly etag: string
}

/**
 * Serves the file, which is read at the first request and then kept.
 * @param file for tests
 */
export function browserClientRoute(http: FastifyInstance, file: URL = builtFile): void {
  let kept: Script | undefined
  http.get('/nitka.js', { schema: { hide: true } as never }, async ({ headers }, reply) => {
    kept ??= await readScript(file)
    void reply
      .type('text/javascript; charset=utf-8')
      .header('cache-control', `public, max-age=${freshSeconds}`)
      .header('etag', kept.etag)
      .header('vary', 'accept-encoding')
      // Pages of other origins are let in by the list of origins, and then may import it.
      .header('access-control-allow-origin', '*')
    if (isKnown(headers['if-none-match'], kept.etag)) return reply.code(304).send()
    const takesGzip = /\bgzip\b(?!\s*;\s*q=0)/.test(String(headers['accept-encoding']))
    return takesGzip ? reply.header('content-encoding', 'gzip').send(kept.gzipped) : reply.send(kept.plain)
  })
}

async function readScript(file: URL): Promise<Script> {
  const plain = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    const hint = 'the browser client was not built; run `npm run prepare` in the checkout'
    throw new NitkaError('not-found', hint, { cause })
  })
  const hash = createHash('sha256').update(plain).digest('base64url').slice(0, 22)
  return { plain, gzipped: gzipSync(plain, { level: 9 }), etag: `W/"${hash}"` }
}

/** Compares weakly, as RFC 9110 demands of If-None-Match. */
function isKnown(header: string | undefined, etag: string): boolean {
  const bare = (tag: string): string => tag.trim().replace(/^W\//, '')
  const tags = header?.split(',').map(bare) ?? []
  return tags.includes('*') || tags.includes(bare(etag))
}

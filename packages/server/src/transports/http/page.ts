// The page at `/`: one HTML file, or a folder of an `index.html` and what it loads. All of it is read when the server starts,
// and served by its name alone: what a request names is compared, never looked up on the disk.

import { readdirSync, readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply } from 'fastify'

/** What a folder may have; whatever else lies there, hidden files and folders too, is not served. */
const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

/** A file that stands alone has its style and script inside; a folder has them in files, and nothing else runs. */
const loneFilePolicy =
  "default-src 'none'; connect-src 'self' ws: wss:; style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline'"
const folderPolicy =
  "default-src 'none'; connect-src 'self'; style-src 'self'; script-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** @param page a folder when it ends with a slash */
export function pageRoutes(http: FastifyInstance, page: URL): void {
  if (!page.pathname.endsWith('/')) return serve(http, '/', page, loneFilePolicy)
  serve(http, '/', new URL('index.html', page), folderPolicy)
  for (const entry of readdirSync(page, { withFileTypes: true })) {
    const { name } = entry
    const [, extension = ''] = /^\w[\w-]*\.(\w+)$/.exec(name) ?? []
    if (name === 'index.html' || !entry.isFile() || !Object.hasOwn(types, extension)) continue
    serve(http, `/${name}`, new URL(name, page), folderPolicy)
  }
}

function serve(http: FastifyInstance, path: string, file: URL, policy: string): void {
  const bytes = readFileSync(file)
  const type = types[file.pathname.split('.').at(-1) ?? ''] ?? 'text/html; charset=utf-8'
  http.get(path, { schema: { hide: true } as never }, async (_request, reply: FastifyReply) =>
    reply
      .type(type)
      .header('content-security-policy', policy)
      .header('x-content-type-options', 'nosniff')
      // Of one version with the server: after its update a page must not run half of the old one.
      .header('cache-control', 'no-cache')
      .send(bytes),
  )
}

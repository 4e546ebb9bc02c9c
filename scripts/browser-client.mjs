// Bundles the client library into one file for browsers, which every server serves at `/nitka.js`. Runs by itself after
// `npm ci`. Plain JavaScript, because it runs on whatever Node did the installing.

import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where the server looks for it. */
export const browserClient = join(root, 'packages/server/browser/nitka.js')

/** Resolves with the bytes of the file. */
export async function bundleClient(outfile) {
  const { build } = await import('esbuild')
  const result = await build({
    entryPoints: [join(root, 'packages/client/src/index.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: outfile !== undefined,
    ...(outfile === undefined ? {} : { outfile }),
    logLevel: 'warning',
  })
  return result.outputFiles?.[0]?.contents
}

if (import.meta.url === `file://${process.argv[1]}`) {
  mkdirSync(dirname(browserClient), { recursive: true })
  await bundleClient(browserClient).catch((error) => {
    // An installation for production has no bundler, and needs the file only when browsers load it from the server.
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    console.error('browser-client: not built, esbuild is not installed')
  })
}

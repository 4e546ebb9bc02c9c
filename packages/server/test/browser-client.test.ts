// A page without a bundler gets the client from the server that it talks to.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { openLogLines } from '../src/observe/log-lines.ts'
import { OriginGuard } from '../src/sessions/origin.ts'
import { browserClientRoute } from '../src/transports/http/browser-client.ts'
import { Load } from '../src/transports/http/load.ts'
import { openHttp } from '../src/transports/http/server.ts'
import { realWorld } from '../src/world.ts'
import { embed, hostServer, listening } from '../testing/attached.ts'
import { noBrowser, openBrowser } from '../testing/browser.ts'
import { start, temporaryFolder } from '../testing/server.ts'
import { secret } from '../testing/tokens.ts'

test('every server gives the client to whoever asks, once as long as it is the same', async (t) => {
  const { server } = await start(t, { authMode: 'jwt', authSecret: secret })
  const url = `${server.url}/nitka.js`
  const first = await fetch(url)
  assert.equal(first.status, 200)
  assert.equal(first.headers.get('content-type'), 'text/javascript; charset=utf-8')
  assert.match(first.headers.get('cache-control') ?? '', /^public, max-age=\d+$/)
  assert.match(await first.text(), /\bexport\{.*\bas connect\b/)

  const etag = first.headers.get('etag') ?? ''
  for (const known of [etag, `"other", ${etag}`, etag.replace('W/', '')]) {
    const again = await fetch(url, { headers: { 'if-none-match': known, 'cache-control': 'no-cache' } })
    assert.deepEqual([again.status, await again.text(), again.headers.get('etag')], [304, '', etag])
  }
  const other = await fetch(url, { headers: { 'if-none-match': '"other"', 'cache-control': 'no-cache' } })
  assert.equal(other.status, 200)
  await other.text()

  const head = await fetch(url, { method: 'HEAD' })
  assert.deepEqual([head.status, await head.text(), head.headers.get('etag')], [200, '', etag])
})

test('who takes gzip gets the client compressed, who does not gets it as it is', async (t) => {
  const { server } = await start(t)
  const ask = (encodings?: string) =>
    server.http.inject({ url: '/nitka.js', headers: encodings === undefined ? {} : { 'accept-encoding': encodings } })
  const [plain, refused, gzipped] = [await ask(), await ask('br, gzip;q=0'), await ask('br;q=1, gzip')]
  assert.equal(plain.headers['content-encoding'], undefined)
  assert.equal(refused.headers['content-encoding'], undefined)
  assert.equal(gzipped.headers['content-encoding'], 'gzip')
  assert.equal(gzipped.headers.vary, 'accept-encoding')
  assert.ok(gunzipSync(gzipped.rawPayload).equals(plain.rawPayload))
})

test('a checkout in which the client was not built says how to build it, and serves it then', async (t) => {
  const file = join(await temporaryFolder(t), 'nitka.js')
  const http = await openHttp({
    guard: new OriginGuard([], []),
    lines: openLogLines('fatal'),
    bodyBytesMax: 1_024,
    load: new Load(realWorld().clock, 1_024),
    clock: realWorld().clock,
    stallMs: 0,
    leaving: () => false,
    isWebSocket: () => false,
    base: '',
    routes: (scope) => browserClientRoute(scope, pathToFileURL(file)),
  })
  t.after(() => http.close())
  const missing = await http.inject('/nitka.js')
  assert.equal(missing.statusCode, 404)
  assert.equal(missing.json().code, 'not-found')
  assert.match(missing.json().detail, /npm run prepare/)
  await writeFile(file, 'export const built = true')
  const there = await http.inject('/nitka.js')
  assert.deepEqual([there.statusCode, there.body], [200, 'export const built = true'])
})

test('a page of the program that Nitka is attached to imports the client and is connected', {
  skip: noBrowser() ?? false,
}, async (t) => {
  const page = `<!doctype html><script type="module">
    import { connect } from './nitka/nitka.js'
    const nitka = connect('./nitka?user=anna')
    await nitka.ready()
    document.title = 'hello ' + nitka.user
  </script>`
  const host = hostServer(t, (_request, response) => response.setHeader('content-type', 'text/html').end(page))
  await embed(t, { attach: { server: host } })
  const url = await listening(host)
  const { page: open } = await openBrowser(t)
  const opened = await open(url)
  await opened.waitForFunction('document.title === "hello anna"')
})

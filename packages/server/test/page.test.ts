// Goal: the page at `/` comes as one file or as a folder, and of a folder nothing is served but what a page is made of.

import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Server } from '../src/server.ts'
import { start, temporaryFolder } from '../testing/server.ts'

async function startWith(t: TestContext, files: Readonly<Record<string, string>>, page: string): Promise<Server> {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'site/inner.js'), { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const { server } = await start(t, {}, { page: pathToFileURL(join(folder, page)) })
  await rm(folder, { recursive: true })
  return server
}

test('a folder is served by the names that were there at the start, each with its type', async (t) => {
  const served = {
    'index.html': ['/', 'text/html; charset=utf-8'],
    'more.html': ['/more.html', 'text/html; charset=utf-8'],
    'part-1.js': ['/part-1.js', 'text/javascript; charset=utf-8'],
    'style.css': ['/style.css', 'text/css; charset=utf-8'],
    'icon.svg': ['/icon.svg', 'image/svg+xml'],
  } as const
  const files = Object.keys(served).map((name) => [`site/${name}`, `text of ${name}`])
  const hidden = {
    'secret.js': '',
    'site/.hidden.js': '',
    'site/notes.txt': '',
    'site/a.b.js': '',
    'site/inner.js/c.js': '',
  }
  const server = await startWith(t, { ...Object.fromEntries(files), ...hidden }, 'site/')
  for (const [name, [path, type]] of Object.entries(served)) {
    const answer = await server.http.inject(path)
    assert.deepEqual([answer.statusCode, answer.body], [200, `text of ${name}`])
    assert.equal(answer.headers['content-type'], type)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.doesNotMatch(String(answer.headers['content-security-policy']), /unsafe|\*/)
  }
  const inner = ['/.hidden.js', '/notes.txt', '/a.b.js', '/inner.js', '/inner.js/c.js', '/index.html']
  const outside = ['/../secret.js', '/%2e%2e/secret.js', '/..%2fsecret.js', '/style.css/../../secret.js', '//secret.js']
  for (const path of [...inner, ...outside]) assert.equal((await fetch(server.url + path)).status, 404, path)
})

test('one file may have its style and script inside', async (t) => {
  const server = await startWith(t, { 'site/chat.html': '<p>chat</p>' }, 'site/chat.html')
  const { statusCode, body, headers } = await server.http.inject('/')
  assert.deepEqual([statusCode, body, headers['content-type']], [200, '<p>chat</p>', 'text/html; charset=utf-8'])
  assert.match(String(headers['content-security-policy']), /script-src 'self' 'unsafe-inline'/)
  assert.equal((await server.http.inject('/chat.html')).statusCode, 404)
})

test('a folder without an index.html is refused at the start', async (t) => {
  await assert.rejects(startWith(t, { 'site/style.css': '' }, 'site/'), /index\.html/)
})

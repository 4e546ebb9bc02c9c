// What a browser loads stays small.

import assert from 'node:assert/strict'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { bundleClient } from './browser-client.mjs'

const bytesMax = 12 * 1024

test('the client is under 12 KB, gzipped, and brings no schema library and nothing of Node', async () => {
  const bundle = await bundleClient(undefined)
  const size = gzipSync(bundle, { level: 9 }).length
  assert.ok(size < bytesMax, `${size} bytes, at most ${bytesMax}`)
  const text = new TextDecoder().decode(bundle)
  assert.doesNotMatch(text, /typebox|node:|require\(/)
  assert.match(text, /\bexport\{/)
})

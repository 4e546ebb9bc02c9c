import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runToEnd } from '../testing/program.ts'

test('six crawlers share three proxies, and one that slept over its time is refused', async (t) => {
  const output = await runToEnd(t, 'proxy-pool/proxy-pool.ts')
  for (const i of [0, 1, 2, 3, 4, 5]) assert.match(output, new RegExp(`page ${i}\\.1… through 10\\.0\\.0\\.[123]:3128`))
  assert.match(output, /the sleeper is refused: token \d+ for [abc] is an old one/)
})

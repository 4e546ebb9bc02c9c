// The benchmarks still run, and what they measure loses and doubles nothing. Nothing here depends on speed.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { directRate } from './direct.ts'
import { relayFanOut, roomFanOut } from './fan-out.ts'
import { holdRate, requestRate } from './requests.ts'
import { claimLatency, taskRate } from './tasks.ts'

test('the relay and its naive peer deliver every message to every receiver, once and in order', async () => {
  assert.ok((await relayFanOut('nitka', 0.5)).perSecond > 0)
  assert.ok((await relayFanOut('naive', 0.5)).perSecond > 0)
})

test('a room delivers every message that it confirmed to every receiver, once and in order', async () => {
  assert.ok((await roomFanOut(0.5)).perSecond > 0)
})

test('direct messages are confirmed and delivered, each once', async () => {
  assert.ok((await directRate('nitka', 0.5)).perSecond > 0)
  assert.ok((await directRate('sqlite', 0.5)).perSecond > 0)
})

// The package of the bench: whoever installed only the project does not have it.
const bullmq = existsSync(new URL('node_modules/bullmq', import.meta.url))

test('tasks are handed out and settled, each once; peers that are not installed are left out', async () => {
  assert.ok(((await taskRate('nitka', 2_000)) ?? 0) > 0)
  for (const durable of [true, false]) {
    assert.notEqual(await taskRate('beanstalkd', 500, durable), 0)
    if (bullmq) assert.notEqual(await taskRate('bullmq', 500, durable), 0)
  }
  assert.ok((await claimLatency(2_000, 60)).perSecond > 0)
})

test('every request gets its own answer, and every hold is given back', async () => {
  for (const kind of ['nitka', 'echo'] as const) {
    assert.ok(((await requestRate(kind, 0.3, { connections: 3, inFlight: 4 })) ?? 0) > 0)
  }
  assert.ok((await holdRate('disk', 0.3)) > 0)
})

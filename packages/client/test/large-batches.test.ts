// Batches as large as they may be.

import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '../../server/testing/eventually.ts'
import { start } from '../../server/testing/server.ts'
import { connect } from '../src/index.ts'

test('a thousand tasks are added in one call, handed out in one batch, and reported in the same moment', async (t) => {
  const { server } = await start(t, { leaseMs: 60_000 })
  const nitka = connect(`${server.url}?user=anna`)
  t.after(() => nitka.close())
  const wish = Array.from({ length: 1_000 }, (_, n) => ({ queue: 'q', payload: { n } }))
  assert.equal((await nitka.tasks.addAll(wish, { timeoutMs: 20_000 })).length, 1_000)
  let begun = 0
  let finish: (() => void) | undefined
  const all = new Promise<void>((resolve) => (finish = resolve))
  nitka.tasks.work('q', { batch: 1_000 }, async () => {
    if (++begun === 1_000) finish?.()
    await all
  })
  const done = () => server.tasks.queues().find(({ queue }) => queue === 'q')?.done
  await eventually(() => done() === 1_000, 'all to be reported')
  assert.equal(begun, 1_000)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InProcessHub } from './bus.ts'

test('a node is alone until another joins, and again when that one leaves', async () => {
  const hub = new InProcessHub()
  const one = hub.node()
  assert.equal(one.alone, true)
  const two = hub.node()
  assert.equal(one.alone, false)
  await two.close()
  assert.equal(one.alone, true)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realClock } from './world.ts'

test('a wait that is over already runs at once, and one too long for a timer does not; neither complains', async (t) => {
  const warnings: string[] = []
  const warned = (warning: Error): void => void warnings.push(warning.name)
  process.on('warning', warned)
  t.after(() => process.off('warning', warned))

  let early = false
  const long = realClock.after(2 ** 40, () => {
    early = true
  })
  // The clock's timers do not keep the process alive; this one does, until the other has run.
  const alive = setInterval(() => undefined, 1000)
  await new Promise<void>((resolve) => realClock.after(-7, resolve))
  await new Promise<void>((resolve) => realClock.after(20, resolve))
  clearInterval(alive)
  long.cancel()

  assert.equal(early, false)
  assert.deepEqual(warnings, [])
})

// A process that takes a store through the steps of store-steps.ts: `node store-workload.ts <folder> <steps> <end>`. It goes
// on where the store stands, eight steps at a time, and says `ack <step>` once one is acknowledged, in one write each.
// `end`: `close`, or `kill`: in the middle of what is under way. What fails is said as `failed <why>`, and ends it.

import { writeSync } from 'node:fs'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import { realWorld } from '../src/world.ts'
import { storedSteps, storeStep } from './store-steps.ts'

const [folder = '', steps = '0', end = 'close'] = process.argv.slice(2)
const atOnce = 8

function failed(thrown: unknown): void {
  process.exitCode = 1
  writeSync(1, `failed ${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
}

try {
  const engine = await openEmbedded({
    ...{ dataDir: folder, world: realWorld(), reserveBytes: 0, writeBufferBytes: 65_536, cacheBytes: 1_048_576 },
  })
  const first = await storedSteps(engine)
  writeSync(1, `open ${first}\n`)
  let next = first
  const one = async (): Promise<void> => {
    while (next < Number(steps)) {
      const step = next++
      await storeStep(step).run(engine)
      writeSync(1, `ack ${step}\n`)
      if (end === 'kill' && step === Number(steps) - 5) process.kill(process.pid, 'SIGKILL')
    }
  }
  const results = await Promise.allSettled(Array.from({ length: atOnce }, one))
  for (const result of results) if (result.status === 'rejected') failed(result.reason)
  if (process.exitCode === 1)
    await storeStep(next)
      .run(engine)
      .then(() => writeSync(1, `ack ${next}\n`), failed)
  await engine.swept()
  const unhealthy = engine.unhealthy()
  if (unhealthy !== undefined && process.exitCode !== 1) failed(unhealthy)
  await engine.close()
} catch (thrown) {
  failed(thrown)
}

// A process that appends until it dies, for the crash tests: `node store-writer.ts <folder> <clientIdPrefix> [count]`.
// It prints the offset and the id of each entry once the entry is acknowledged, in one line, written before it goes on.

import { writeSync } from 'node:fs'
import { openEmbedded } from '../src/engines/embedded/engine.ts'
import { realWorld } from '../src/world.ts'

const [folder = '', prefix = '', count = '1000000'] = process.argv.slice(2)

try {
  const engine = await openEmbedded({ dataDir: folder, world: realWorld(), reserveBytes: 0, writeBufferBytes: 65_536 })
  writeSync(1, 'open\n')
  for (let i = 0; i < Number(count); i++) {
    const clientId = `${prefix}-${i}`
    const sent = ['a', 'b'].map((name) => ({
      log: { kind: 'room' as const, id: name },
      id: `${prefix}${String(i).padStart(12, '0')}`.padStart(20, '0'),
      time: i,
      sender: 'anna',
      body: JSON.stringify('x'.repeat(500)),
      counts: true,
    }))
    const [appended] = await engine.logs.append([{ entries: sent, clientId }])
    writeSync(1, `${appended?.offsets[0]} ${appended?.id}\n`)
  }
  await engine.close()
} catch (thrown) {
  writeSync(2, `${thrown instanceof Error ? thrown.message : String(thrown)}\n`)
  process.exitCode = 1
}

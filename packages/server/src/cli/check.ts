// nitka check: whether the store in the data folder is whole. Opens it as a server would, and closes it.

import { openEmbedded } from '../engines/embedded/engine.ts'
import { realWorld } from '../world.ts'
import { readFlags } from './flags.ts'

export async function check(args: readonly string[]): Promise<number> {
  const { config } = readFlags(args)
  const durability = config.durability === 'relaxed' ? 'relaxed' : 'disk'
  const engine = await openEmbedded({ dataDir: config.data, world: realWorld(), durability })
  await engine.close()
  console.log(`${config.data}: whole`)
  return 0
}

// nitka check: whether the store in the data folder is whole. Opens it as a server would, and closes it.

import { existsSync } from 'node:fs'
import { NitkaError } from '@nitka/protocol'
import { openEmbedded } from '../engines/embedded/engine.ts'
import { realWorld } from '../world.ts'
import { readFlags } from './flags.ts'

export async function check(args: readonly string[]): Promise<number> {
  const { config } = readFlags(args)
  if (!existsSync(config.data))
    throw new NitkaError('invalid', `there is no folder ${config.data}; name one with --data`)
  const durability = config.durability === 'relaxed' ? 'relaxed' : 'disk'
  const engine = await openEmbedded({
    dataDir: config.data,
    world: realWorld(),
    durability,
    verifyBytes: Number.POSITIVE_INFINITY,
  })
  await engine.close()
  console.log(`${config.data}: whole`)
  return 0
}

// nitka serve: the server.

import { readFlags } from './flags.ts'
import { run } from './run.ts'

export async function serve(args: readonly string[]): Promise<number> {
  const { config } = readFlags(args)
  return run(config, {}, async (server) => {
    console.log(`nitka listens at ${server.url}`)
    return undefined
  })
}

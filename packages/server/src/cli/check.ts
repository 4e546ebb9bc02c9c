// nitka check: whether the store in the data folder is whole. Opens it as a server would, and closes it.

import { NitkaError } from '@nitka/protocol'
import type { Config } from '../config.ts'
import { openExisting } from './archive/store.ts'
import { type Command, readArguments } from './command.ts'
import { usage } from './usage.ts'

export async function check(args: readonly string[], { flags }: Command): Promise<number> {
  const asked = usage(() => readArguments(args, flags))
  if (asked === undefined) return 2
  const { config, on } = asked
  const problem = await problemOf(config)
  if (on.has('json')) console.log(JSON.stringify({ data: config.data, whole: problem === undefined, problem }))
  else if (problem === undefined) console.log(`${config.data}: whole`)
  if (problem !== undefined) console.error(`nitka: ${problem}`)
  return problem === undefined ? 0 : 1
}

/** Why the store cannot be used, one line; undefined when it can. Makes nothing that was not there. */
export async function problemOf(config: Config, verifyBytes = Number.POSITIVE_INFINITY): Promise<string | undefined> {
  try {
    const engine = await openExisting(config, { verifyBytes })
    await engine.close()
    return undefined
  } catch (error) {
    if (!(error instanceof NitkaError)) throw error
    return error.message
  }
}

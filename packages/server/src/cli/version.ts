// nitka version.

import { ownVersion } from '../version.ts'
import { type Command, readArguments } from './command.ts'
import { usage } from './usage.ts'

export async function version(args: readonly string[], { flags }: Command): Promise<number> {
  const asked = usage(() => readArguments(args, flags))
  if (asked === undefined) return 2
  const found = { nitka: ownVersion(), node: process.versions.node }
  console.log(asked.on.has('json') ? JSON.stringify(found) : `nitka ${found.nitka}, Node ${found.node}`)
  return 0
}

// nitka serve: the server.

import type { Config } from '../config.ts'
import type { Server } from '../server.ts'
import { type Command, readArguments } from './command.ts'
import { readNodes, runNodes } from './nodes.ts'
import { run } from './run.ts'
import { endWithParent } from './supervisor.ts'
import { usage } from './usage.ts'

/** Where the server is. */
export function listening(server: Server, { socketHost }: Config): string {
  const port = server.socketPort
  const http = `nitka listens at ${server.url}`
  if (port === undefined) return http
  return `${http}\nnitka takes requests over TCP at ${port === 0 ? socketHost : `${socketHost}:${port}`}`
}

export async function serve(args: readonly string[], { flags }: Command): Promise<number> {
  const asked = usage(() => {
    const read = readArguments(args, flags)
    return { ...read, nodes: readNodes(read.own.nodes, read.config) }
  })
  if (asked === undefined) return 2
  const { config, nodes } = asked
  if (nodes > 1) return runNodes(nodes, withoutNodes(args), config)
  if (asked.on.has('supervised')) endWithParent()
  return run(config, {}, async (server) => {
    console.log(listening(server, config))
    return undefined
  })
}

function withoutNodes(args: readonly string[]): readonly string[] {
  const at = args.indexOf('--nodes')
  return at < 0 ? args.filter((one) => !one.startsWith('--nodes=')) : args.toSpliced(at, 2)
}

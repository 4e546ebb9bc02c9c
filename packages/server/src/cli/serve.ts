// nitka serve: the server.

import type { Config } from '../config.ts'
import type { Server } from '../server.ts'
import { readFlags } from './flags.ts'
import { run } from './run.ts'

/** Where the server is. */
export function listening(server: Server, { socketHost }: Config): string {
  const port = server.socketPort
  const http = `nitka listens at ${server.url}`
  if (port === undefined) return http
  return `${http}\nnitka takes requests over TCP at ${port === 0 ? socketHost : `${socketHost}:${port}`}`
}

export async function serve(args: readonly string[]): Promise<number> {
  const { config } = readFlags(args)
  return run(config, {}, async (server) => {
    console.log(listening(server, config))
    return undefined
  })
}

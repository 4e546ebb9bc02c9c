// nitka trace ID --user U | --room R: what became of a message, asked of a running server.

import { NitkaError } from '@nitka/protocol'
import { readFlags } from './flags.ts'

export async function trace(args: readonly string[]): Promise<number> {
  const { config, rest, own } = readFlags(args, ['user', 'room', 'url'], 1)
  const [id] = rest
  if (id === undefined || (own.user === undefined) === (own.room === undefined)) {
    throw new NitkaError('invalid', 'usage: nitka trace ID --user USER | --room ROOM [--url http://host:port]')
  }
  const url = new URL(`/trace/${encodeURIComponent(id)}`, own.url ?? `http://${config.host}:${config.port}`)
  if (own.user !== undefined) url.searchParams.set('user', own.user)
  if (own.room !== undefined) url.searchParams.set('room', own.room)
  const response = await fetch(url).catch((error: unknown) => {
    throw new NitkaError('unavailable', `no server answers at ${url.origin}; start one with \`nitka serve\``, {
      cause: error,
    })
  })
  console.log(JSON.stringify(await response.json(), undefined, 2))
  return response.ok ? 0 : 1
}

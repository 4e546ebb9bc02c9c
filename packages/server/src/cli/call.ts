// nitka call TYPE [PAYLOAD]: asks a request of a running server and prints the answer, JSON.

import { NitkaError, parseJson } from '@nitka/protocol'
import { readFlags } from './flags.ts'
import { callServer, serverUrl } from './server-call.ts'
import { usage } from './usage.ts'

export async function call(args: readonly string[]): Promise<number> {
  const asked = usage(() => {
    const { config, rest, own } = readFlags(args, ['url'], 2)
    const [type, payload = 'null'] = rest
    if (type === undefined) throw new NitkaError('invalid', 'usage: nitka call TYPE [PAYLOAD as JSON] [--url URL]')
    return { type, payload: parseJson(payload), url: serverUrl(own.url, config) }
  })
  if (asked === undefined) return 2
  const { type, payload, url } = asked
  const answer = await callServer(url, 'POST', `/requests/${encodeURIComponent(type)}`, { payload })
  console.log(JSON.stringify((answer as { readonly result: unknown }).result, undefined, 2))
  return 0
}

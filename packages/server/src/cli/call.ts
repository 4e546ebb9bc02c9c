// nitka call TYPE [PAYLOAD]: asks a request of a running server and prints the answer, JSON.

import { NitkaError, parseJson } from '@nitka/protocol'
import { type Command, readArguments, wrongUsage } from './command.ts'
import { callServer, printable, targetOf } from './server-call.ts'
import { usage } from './usage.ts'

export async function call(args: readonly string[], command: Command): Promise<number> {
  const asked = usage(() => {
    const { config, rest, own, on } = readArguments(args, command.flags, 2)
    const [type, payload = 'null'] = rest
    if (type === undefined) throw wrongUsage(command)
    return { type, payload: payloadOf(payload), url: targetOf(own.url, config), json: on.has('json') }
  })
  if (asked === undefined) return 2
  const { type, payload, url, json } = asked
  const answer = await callServer(url, 'POST', `/requests/${encodeURIComponent(type)}`, { payload })
  console.log(JSON.stringify((answer as { readonly result: unknown }).result, undefined, json ? 0 : 2))
  return 0
}

/** @throws NitkaError `invalid` */
function payloadOf(text: string): unknown {
  try {
    return parseJson(text)
  } catch (cause) {
    throw new NitkaError('invalid', `the payload is not JSON: ${printable(text)}; a text needs quotes: '"text"'`, {
      cause,
    })
  }
}

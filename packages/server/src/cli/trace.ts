// nitka trace ID --user U | --room R: what became of a message, asked of a running server.

import { isObject, NitkaError } from '@nitka/protocol'
import { type Command, readArguments, wrongUsage } from './command.ts'
import { callServer, printable, targetOf } from './server-call.ts'
import { Table, text, time } from './table.ts'
import { usage } from './usage.ts'

type Fields = Readonly<Record<string, unknown>>

export async function trace(args: readonly string[], command: Command): Promise<number> {
  const asked = usage(() => {
    const { config, rest, own, on } = readArguments(args, command.flags, 1)
    const { user, room } = own
    const [id] = rest
    if (id === undefined || (user === undefined) === (room === undefined)) throw wrongUsage(command)
    const where: Record<string, string> = room === undefined ? { user: user ?? '' } : { room }
    return { id, where, server: targetOf(own.url, config), json: on.has('json') }
  })
  if (asked === undefined) return 2
  const { id, where, server, json } = asked
  const answer = await callServer(server, 'GET', `/trace/${encodeURIComponent(id)}?${new URLSearchParams(where)}`)
  const found = isObject(answer) && isObject(answer.stored) ? { ...answer, stored: answer.stored } : undefined
  if (json) console.log(JSON.stringify(answer))
  if (found === undefined) {
    const [[kind = '', name] = []] = Object.entries(where)
    throw new NitkaError('not-found', printable(`there is no message ${id} in the log of the ${kind} ${name}`))
  }
  if (!json) for (const line of linesOf(found)) console.log(line)
  return 0
}

function linesOf({ stored, written, confirmed, read }: Fields & { readonly stored: Fields }): string[] {
  const by = (what: string, list: unknown, who: string): string[][] =>
    (Array.isArray(list) ? list : []).filter(isObject).map((one) => [what, time(one.time), text(one[who]) || '-'])
  const place = `${text(stored.log)} ${text(stored.offset)}, from ${text(stored.from) || 'the application'}`
  return new Table(['WHAT', 'WHEN', 'WHERE, WHO'], Number.POSITIVE_INFINITY).lines([
    ['stored', time(stored.time), place],
    ...by('written', written, 'device'),
    ...by('confirmed', confirmed, 'device'),
    ...by('read', read, 'user'),
  ])
}

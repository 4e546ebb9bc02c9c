// nitka pools: what pools there are, who holds what, and how resources come and go; asked of a running server.

import { isObject, NitkaError } from '@nitka/protocol'
import { readFlags } from './flags.ts'
import { callServer, printable, serverUrl } from './server-call.ts'
import { usage } from './usage.ts'

const usageText = `usage: nitka pools list
       nitka pools status POOL
       nitka pools add POOL RESOURCE…
       nitka pools remove POOL RESOURCE…
       nitka pools acquire POOL [--count N --ttl MS --wait MS]
       nitka pools release HOLD
       each with --url URL, and --json for scripts`

interface Asked {
  readonly url: URL
  readonly name: string
  readonly body: Readonly<Record<string, unknown>>
  readonly json: boolean
}

export async function pools(args: readonly string[]): Promise<number> {
  const asked = usage(() => read(args))
  if (asked === undefined) return 2
  const answer = await callServer(asked.url, 'POST', `/pools/${asked.name}`, asked.body)
  const list = asked.name === 'list' && isObject(answer) ? answer.pools : undefined
  if (asked.json || !Array.isArray(list)) console.log(JSON.stringify(answer, undefined, asked.json ? 0 : 2))
  else for (const line of linesOf(list)) console.log(line)
  return 0
}

/** @throws NitkaError `invalid` */
function read(args: readonly string[]): Asked {
  const { config, rest, own, on } = readFlags(args, ['url', 'count', 'ttl', 'wait'], 1_002, ['json'])
  const [name, first, ...others] = rest
  const url = serverUrl(own.url, config)
  const json = on.has('json')
  if (name === 'list' && first === undefined) return { url, name, json, body: {} }
  if (first !== undefined && others.length === 0) {
    if (name === 'status') return { url, name, json, body: { pool: first } }
    if (name === 'release') return { url, name, json, body: { hold: first } }
    if (name === 'acquire') {
      const { count, ttl, wait } = own
      const numbers = Object.entries({ count, ttl, wait }).filter(([, text]) => text !== undefined)
      const terms = Object.fromEntries(numbers.map(([key, text]) => [key, Number(text)]))
      return { url, name, json, body: { pool: first, ...terms } }
    }
  }
  if ((name === 'add' || name === 'remove') && first !== undefined && others.length > 0) {
    return { url, name, json, body: { pool: first, resources: others } }
  }
  throw new NitkaError('invalid', usageText)
}

function linesOf(list: readonly unknown[]): string[] {
  const rows = list.filter(isObject)
  const head = `${'pool'.padEnd(24)} ${['total', 'free', 'holds', 'waiting'].map((name) => name.padStart(8)).join('')}`
  const lines = rows.map(({ pool, total, free, holding, waiters }) => {
    const numbers = [total, free, holding, waiters].map((value) => String(value).padStart(8)).join('')
    return `${printable(String(pool)).padEnd(24)} ${numbers}`
  })
  return [head, ...lines]
}

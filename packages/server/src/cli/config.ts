// nitka config: what the options are, after flags, environment, `.env` and file, and which of them said so.

import { environmentName, flagName, type OptionName, options } from '../options.ts'
import { type Command, readArguments } from './command.ts'
import { Table } from './table.ts'
import { usage } from './usage.ts'

const secret: ReadonlySet<OptionName> = new Set(['webhookSecret', 'authSecret', 'authToken', 'postgresUrl', 'natsUrl'])

const titles = ['OPTION', 'IN THE ENVIRONMENT', 'SET BY', 'VALUE']

export async function config(args: readonly string[], { flags }: Command): Promise<number> {
  const asked = usage(() => readArguments(args, flags))
  if (asked === undefined) return 2
  const values = asked.config
  const names = Object.keys(options) as OptionName[]
  const shown = names.map((name) => [name, secret.has(name) && values[name] !== '' ? '***' : values[name]] as const)
  if (asked.on.has('json')) {
    console.log(JSON.stringify(Object.fromEntries(shown)))
    return 0
  }
  const rows = shown.map(([name, value]) => [flagName(name), environmentName(name), asked.from(name) ?? '', `${value}`])
  for (const line of new Table(titles, Number.POSITIVE_INFINITY).lines(rows)) console.log(line)
  return 0
}

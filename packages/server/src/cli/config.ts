// nitka config: what the options are, after flags, environment and `.env`.

import { environmentName, flagName, type OptionName, options } from '../config.ts'
import { readFlags } from './flags.ts'

const secret: ReadonlySet<OptionName> = new Set(['webhookSecret'])

export async function config(args: readonly string[]): Promise<number> {
  const { config: values } = readFlags(args)
  for (const name of Object.keys(options) as OptionName[]) {
    const value = secret.has(name) && values[name] !== '' ? '***' : String(values[name])
    console.log(`${flagName(name).padEnd(24)} ${environmentName(name).padEnd(32)} ${value}`)
  }
  return 0
}

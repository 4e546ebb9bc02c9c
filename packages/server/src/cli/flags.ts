// Flags of a command, over the environment, over `.env`.

import { parseArgs } from 'node:util'
import { NitkaError } from '@nitka/protocol'
import { type Config, configureProcess, flagName, type OptionName, options, withDotEnv } from '../config.ts'

export interface Flags {
  readonly config: Config
  /** Arguments that are no flags. */
  readonly rest: readonly string[]
  /** Flags of the command itself, as text. */
  readonly own: Readonly<Record<string, string | undefined>>
}

/**
 * @param own names of flags that only this command has; each takes a value
 * @param restMax how many arguments that are no flags it takes; one more is refused, not passed over
 * @throws NitkaError `invalid`
 */
export function readFlags(args: readonly string[], own: readonly string[] = [], restMax = 0): Flags {
  const names = Object.keys(options) as OptionName[]
  const known = Object.fromEntries(
    names.map((name) => [flagName(name), { type: options[name].kind === 'flag' ? 'boolean' : 'string' } as const]),
  )
  const mine = Object.fromEntries([...own, 'config'].map((name) => [name, { type: 'string' } as const]))
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: { ...known, ...mine },
    strict: false,
    allowPositionals: true,
    allowNegative: true,
    tokens: true,
  })
  const repeated = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []))
  const twice = repeated.find((name, index) => repeated.indexOf(name) !== index)
  if (twice !== undefined) throw new NitkaError('invalid', `--${twice} is given more than once`)
  const flags: Record<string, unknown> = {}
  const ownValues: Record<string, string> = {}
  for (const [name, value] of Object.entries(values)) {
    if (own.includes(name)) ownValues[name] = String(value)
    else flags[name] = value
  }
  const config = configureProcess(flags, withDotEnv(process.env))
  // After the unknown flags, since a value of one of them looks the same.
  const stray = positionals[restMax]
  if (stray !== undefined) throw new NitkaError('invalid', `${stray} is no flag, and nothing is done with it here`)
  return { config, rest: positionals, own: ownValues }
}

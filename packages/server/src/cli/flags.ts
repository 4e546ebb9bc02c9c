// Flags of a command, over the environment, over `.env`.

import { parseArgs } from 'node:util'
import { NitkaError } from '@nitka/protocol'
import { type Config, configureProcess, originOf } from '../config.ts'
import { withDotEnv } from '../dot-env.ts'
import { environmentName, flagName, type OptionName, options } from '../options.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Flags {
  readonly config: Config
  /** Arguments that are no flags. */
  readonly rest: readonly string[]
  /** Flags of the command itself, as text. */
  readonly own: Readonly<Record<string, string | undefined>>
  /** Flags of the command itself that take no value and are given. */
  readonly on: ReadonlySet<string>
  /** Whether an option was set by whoever started this, be it to its default. A file is seen only when it says otherwise. */
  readonly named: (name: OptionName) => boolean
  /** Where an option was set: `--port`, `NITKA_PORT`, a file. Undefined: nowhere. */
  readonly from: (name: OptionName) => string | undefined
}

/**
 * @param own names of flags that only this command has; each takes a value
 * @param restMax how many arguments that are no flags it takes; one more is refused, not passed over
 * @param switches names of flags that only this command has and that take no value
 * @param environment with what `.env` adds to it
 * @throws NitkaError `invalid`
 */
export function readFlags(
  args: readonly string[],
  own: readonly string[] = [],
  restMax = 0,
  switches: readonly string[] = [],
  environment: Environment = withDotEnv(process.env),
): Flags {
  const names = Object.keys(options) as OptionName[]
  const known = Object.fromEntries(
    names.map((name) => [flagName(name), { type: options[name].kind === 'flag' ? 'boolean' : 'string' } as const]),
  )
  const mine = Object.fromEntries([...own, 'config'].map((name) => [name, { type: 'string' } as const]))
  const bare = Object.fromEntries(switches.map((name) => [name, { type: 'boolean' } as const]))
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: { ...known, ...mine, ...bare },
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
  const on = new Set<string>()
  for (const [name, value] of Object.entries(values)) {
    if (own.includes(name)) ownValues[name] = ownValue(name, value)
    else if (switches.includes(name)) {
      if (typeof value !== 'boolean') throw new NitkaError('invalid', `--${name} takes no value`)
      if (value) on.add(name)
    } else flags[name] = value
  }
  const config = configureProcess(flags, environment, [...own, ...switches])
  // After the unknown flags, since a value of one of them looks the same.
  const stray = positionals[restMax]
  if (stray !== undefined) throw new NitkaError('invalid', `${stray} is no flag, and nothing is done with it here`)
  const named = (name: OptionName): boolean =>
    flagName(name) in flags || environmentName(name) in environment || config[name] !== options[name].default
  // A file is read again only for who asks.
  let origins: ((name: OptionName) => string | undefined) | undefined
  const from = (name: OptionName): string | undefined => {
    origins ??= originOf(flags, environment)
    return origins(name)
  }
  return { config, rest: positionals, own: ownValues, on, named, from }
}

function ownValue(name: string, value: unknown): string {
  // `--queue --json` is a forgotten value.
  if (typeof value !== 'string' || value.startsWith('--')) throw new NitkaError('invalid', `--${name} needs a value`)
  return value
}

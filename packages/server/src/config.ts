// The configuration: read once at start from flags, environment and file, all faults told together, then frozen.

import { readFileSync } from 'node:fs'
import { isObject, NitkaError, parseJson } from '@nitka/protocol'
import { choices, environmentName, flagName, type Option, type OptionName, options } from './options.ts'
import { suggestion } from './suggestion.ts'
import { type GeneratorOptions, readGenerator } from './tasks/generator.ts'

type ValueOf<O extends Option> = O extends { kind: 'number' }
  ? number
  : O extends { kind: 'flag' }
    ? boolean
    : O extends { kind: 'list' }
      ? readonly string[]
      : string

/** All options, checked. */
export type Config = { readonly [Name in OptionName]: ValueOf<(typeof options)[Name]> }

/** What code may ask for: `generate` as an object, too. */
export type Wishes = Partial<Omit<Config, 'generate'>> & { readonly generate?: string | GeneratorOptions }

/** Where a raw value comes from, for the error. */
interface Given {
  readonly value: unknown
  readonly from: string
}

/**
 * The configuration from code, over the defaults.
 * @throws NitkaError `invalid`, all faults in its message
 */
export function configure(wishes: Wishes = {}): Config {
  const given = new Map<OptionName, Given>()
  const faults: string[] = []
  for (const [name, value] of Object.entries(wishes)) {
    if (Object.hasOwn(options, name)) given.set(name as OptionName, { value, from: name })
    else faults.push(`${name} is not an option${suggestion(name, Object.keys(options))}`)
  }
  return build(given, faults)
}

/**
 * The configuration of a process: flags over the environment over `.env` over the file over the defaults. The file is
 * JSON, named by the flag `config` or by `NITKA_CONFIG`: an object with the names of `options`.
 * @param flags by flag name, without the dashes
 * @param besides flags that the command has besides the options: one that is not known may mean one of them
 * @throws NitkaError `invalid`, all faults in its message
 */
export function configureProcess(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
  besides: readonly string[] = [],
): Config {
  const { given, faults } = gathered(flags, environment, besides)
  return build(given, faults)
}

/** Where an option was set: a flag, a variable of the environment (or of `.env`), a file. Undefined: nowhere. */
export function originOf(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): (name: OptionName) => string | undefined {
  const { given } = gathered(flags, environment, [])
  return (name) => given.get(name)?.from
}

function gathered(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
  besides: readonly string[],
): { readonly given: Map<OptionName, Given>; readonly faults: string[] } {
  const given = new Map<OptionName, Given>()
  const faults: string[] = []
  const names = Object.keys(options) as OptionName[]
  const byEnvironment = new Map(names.map((name) => [environmentName(name), name]))
  const byFlag = new Map(names.map((name) => [flagName(name), name]))
  const { config: file = environment[configVariable], ...rest } = flags
  if (file !== undefined) readConfigFile(String(file), given, faults)
  // Short names first: a long one, read later, wins.
  const sorted = Object.entries(environment).sort(([a], [b]) => Number(alias.has(b)) - Number(alias.has(a)))
  for (const [key, value] of sorted) {
    if (key === configVariable || value === undefined) continue
    const name = byEnvironment.get(key) ?? alias.get(key)
    if (name !== undefined) given.set(name, { value, from: key })
    else if (key.startsWith('NITKA_'))
      faults.push(`${key} is not an option${suggestion(key, [...byEnvironment.keys()])}`)
  }
  for (const [key, value] of Object.entries(rest)) {
    const name = byFlag.get(key)
    if (name !== undefined) given.set(name, { value, from: `--${key}` })
    else faults.push(`--${key} is not an option${suggestion(key, [...byFlag.keys(), ...besides], '--')}`)
  }
  return { given, faults }
}

const configVariable = 'NITKA_CONFIG'

/** The files by which a node and NATS know each other. */
export function natsFilesOf({ natsCredentials, natsCa, natsCert, natsKey }: Config): {
  readonly credentials: string
  readonly ca: string
  readonly cert: string
  readonly key: string
} {
  return { credentials: natsCredentials, ca: natsCa, cert: natsCert, key: natsKey }
}

/** Names that existing clients of the TCP port use; the long ones come first. */
const alias: ReadonlyMap<string, OptionName> = new Map([
  ['SOCKET_HOST', 'socketHost'],
  ['SOCKET_PORT', 'socketPort'],
])

function readConfigFile(path: string, given: Map<OptionName, Given>, faults: string[]): void {
  let content: unknown
  try {
    content = parseJson(readFileSync(path, 'utf8'))
  } catch (error) {
    faults.push(`the file ${path} cannot be read: ${(error as Error).message}`)
    return
  }
  if (!isObject(content)) {
    faults.push(`the file ${path} must hold a JSON object`)
    return
  }
  for (const [name, value] of Object.entries(content)) {
    if (Object.hasOwn(options, name)) given.set(name as OptionName, { value, from: `${name} in ${path}` })
    else faults.push(`${name} in ${path} is not an option${suggestion(name, Object.keys(options))}`)
  }
}

function build(given: ReadonlyMap<OptionName, Given>, faults: string[]): Config {
  const config: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(options) as [OptionName, Option][]) {
    const wish = given.get(name)
    config[name] = wish === undefined ? option.default : read(name, option, wish, faults)
  }
  const lonely = (config.postgresUrl === '') !== (config.natsUrl === '')
  if (lonely) faults.push('postgresUrl and natsUrl belong together: a cluster needs both, one machine alone neither')
  if (faults.length > 0) throw new NitkaError('invalid', faults.join('; '))
  return Object.freeze(config) as Config
}

function read(name: OptionName, option: Option, { value, from }: Given, faults: string[]): unknown {
  if (option.kind === 'flag') {
    if (value === true || value === 'true' || value === '1') return true
    if (value === false || value === 'false' || value === '0') return false
    faults.push(`${from} must be true or false, not ${JSON.stringify(value)}`)
  } else if (option.kind === 'list') {
    if (Array.isArray(value)) return value.flatMap((item) => splitList(String(item)))
    return splitList(String(value))
  } else if (option.kind === 'number') {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = option
    const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof parsed === 'number' && Number.isInteger(parsed) && parsed >= min && parsed <= max) return parsed
    faults.push(`${from} must be an integer from ${min} to ${max}, not ${JSON.stringify(value)}`)
  } else if (name === 'generate') {
    return readGenerate({ value, from }, faults)
  } else {
    const known = choices[name]
    if (known === undefined || known.includes(String(value))) return String(value)
    faults.push(`${from} must be one of ${known.join(', ')}, not ${JSON.stringify(value)}`)
  }
  return option.default
}

/** As text, checked; an object is written as such. */
function readGenerate({ value, from }: Given, faults: string[]): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  try {
    readGenerator(text)
    return text
  } catch (error) {
    faults.push(`${from}: ${(error as Error).message}`)
    return ''
  }
}

function splitList(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

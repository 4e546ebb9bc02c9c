// What a command is: one entry of the table in commands.ts. The help, the completion of shells and the reading of flags
// all come from it, so that they cannot say different things.

import { NitkaError } from '@nitka/protocol'
import { choices, flagName, type OptionName, options } from '../options.ts'
import { type Environment, type Flags, readFlags } from './flags.ts'

/** A flag that only this command has, without its dashes. */
export interface Flag {
  readonly name: string
  /** What stands for its value in the help; absent when it takes none. */
  readonly value?: string
  readonly doc: string
  /** What the value may be, when that is a list. Or where a shell finds it. */
  readonly among?: readonly string[] | 'files' | 'folders'
}

/** A command within a command: `nitka tasks list`. */
export interface Action {
  /** Arguments and flags, as a person reads them. */
  readonly usage: string
  readonly doc: string
  readonly flags: readonly Flag[]
}

/**
 * Resolves to the exit code.
 * @param command its own entry
 * @param commands all of them
 */
export type Run = (args: readonly string[], command: Command, commands: readonly Command[]) => Promise<number>

export interface Command {
  readonly name: string
  /** Under which title the help lists it. */
  readonly group: string
  /** One line, beginning in lower case. */
  readonly summary: string
  /** What comes after its name, a line for each way to use it. */
  readonly usage: readonly string[]
  /** More lines for its own help. */
  readonly about?: readonly string[]
  readonly flags: readonly Flag[]
  /** Options of the server that mean something to it. It takes the others as well and passes them over. */
  readonly options: 'all' | readonly OptionName[]
  /** What may stand as its first argument, when that is a list. */
  readonly words?: readonly string[] | 'commands' | 'files'
  readonly actions?: () => Promise<Readonly<Record<string, Action>>>
  /** Without the `nitka ` before them. */
  readonly examples: readonly string[]
  /** Only when it is asked for: a worker or a question to a running server does without the server's code. */
  readonly load: () => Promise<Run>
}

/** The same for every command. */
export const exitCodes: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done'],
  ['1', 'refused or failed, or the answer is no; one line on standard error says why'],
  ['2', 'wrong usage: nothing was done'],
  ['128 + n', 'ended by the signal n, as 130 by Ctrl-C'],
]

/** Flags that several commands have. */
export const jsonFlag: Flag = { name: 'json', doc: 'JSON on standard output, and nothing else there' }
export const urlFlag: Flag = { name: 'url', value: 'URL', doc: 'the server to ask; default: --host and --port' }
export const yesFlag: Flag = { name: 'yes', doc: 'do not ask first' }

/**
 * Reads the arguments by what the entry says.
 * @param restMax how many arguments that are no flags it takes
 * @throws NitkaError `invalid`
 */
export function readArguments(
  args: readonly string[],
  flags: readonly Flag[],
  restMax = 0,
  environment?: Environment,
): Flags {
  const valued = flags.filter(({ value }) => value !== undefined).map(({ name }) => name)
  const bare = flags.filter(({ value }) => value === undefined).map(({ name }) => name)
  return readFlags(args, valued, restMax, bare, environment)
}

/** What to throw when an argument is missing: how the command is used, in one line. */
export function wrongUsage({ name, usage }: Command): NitkaError {
  return new NitkaError('invalid', `usage: ${usage.map((rest) => `nitka ${name} ${rest}`).join(', or ')}`)
}

/** Options of the server, as flags. */
export function optionFlags(names: 'all' | readonly OptionName[]): Flag[] {
  const chosen = names === 'all' ? (Object.keys(options) as OptionName[]) : names
  const config: Flag = { name: 'config', value: 'FILE', doc: 'JSON file with options', among: 'files' }
  const flags = chosen.map((option): Flag => {
    const { kind, doc } = options[option]
    const among = option === 'data' ? 'folders' : placesOf.has(option) ? 'files' : choices[option]
    return {
      name: flagName(option),
      doc,
      ...(kind === 'flag' ? undefined : { value: kind.toUpperCase() }),
      ...(among === undefined ? undefined : { among }),
    }
  })
  return chosen.length === 0 ? [] : [...flags, config]
}

/** Options that name a file. */
const placesOf: ReadonlySet<OptionName> = new Set(['socketCert', 'socketKey', 'executors'])

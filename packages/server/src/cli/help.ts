// nitka help: what there is; of one command all that it takes; and the options of the server.

import { NitkaError } from '@nitka/protocol'
import { environmentName, flagName, type OptionName, options } from '../options.ts'
import { suggestion } from '../suggestion.ts'
import { type Action, type Command, exitCodes, type Flag, optionFlags } from './command.ts'
import { printable } from './server-call.ts'
import { styled } from './style.ts'
import { usage } from './usage.ts'

const intro = 'nitka: relay, direct chat, rooms, tasks, requests and pools in one server'
const outro = [
  '`nitka help COMMAND` or `nitka COMMAND --help` says what a command takes, with examples.',
  '`nitka help options` lists the options of the server: as flags, in the environment, in .env or in a file.',
]
const examples = [
  'nitka serve --port 9000 --data /var/lib/nitka',
  'NITKA_PORT=9000 nitka serve',
  'nitka tasks add \'{"Period":250}\' --queue mail',
  'nitka doctor',
]
/** Options listed by a command's own help, before it points to the list of all. */
const optionsShown = 6

export async function help(args: readonly string[], _own: Command, commands: readonly Command[]): Promise<number> {
  const [name, action] = args.filter((arg) => arg !== '--help' && arg !== '-h')
  if (name === undefined) return print(overview(commands))
  if (name === 'options' && action === undefined) return print(optionList())
  const text = await asked(name, action, commands)
  return text === undefined ? 2 : print(text)
}

async function asked(
  name: string,
  action: string | undefined,
  commands: readonly Command[],
): Promise<readonly string[] | undefined> {
  const command = commands.find((one) => one.name === name)
  const actions = (await command?.actions?.()) ?? {}
  return usage(() => {
    const known = [...commands.map((one) => one.name), 'options']
    if (command === undefined) throw unknown(name, known, 'nitka help')
    // An argument after the name of a command is what somebody asks about only when that command has actions.
    if (action === undefined || Object.keys(actions).length === 0) return ofCommand(command, actions)
    const found = Object.hasOwn(actions, action) ? actions[action] : undefined
    if (found === undefined) throw unknown(`${name} ${action}`, under(name, actions), `nitka help ${name}`)
    return ofAction(command, action, found)
  })
}

/** A command of commands without one that it knows: what there is. The exit code. */
export async function explain(name: string | undefined, own: Command, known: readonly string[]): Promise<number> {
  if (name === undefined || name === 'help') {
    await help([own.name], own, [own])
    return name === undefined ? 2 : 0
  }
  const near = suggestion(name, known)
  console.error(`nitka: there is no command ${own.name} ${printable(name)}; \`nitka ${own.name}\` lists them${near}`)
  return 2
}

function under(name: string, actions: Readonly<Record<string, Action>>): string[] {
  return Object.keys(actions).map((action) => `${name} ${action}`)
}

/** @param where the command that lists what there is */
export function unknown(name: string, known: readonly string[], where: string): NitkaError {
  const near = suggestion(name, known)
  return new NitkaError('invalid', `there is no command ${printable(name)}; \`${where}\` lists them${near}`)
}

function print(lines: readonly string[]): number {
  console.log(lines.join('\n'))
  return 0
}

function title(text: string): string {
  return styled('bold', text)
}

/** Two columns under a title, nothing when there are no rows. */
function section(name: string, rows: readonly (readonly [string, string])[]): string[] {
  if (rows.length === 0) return []
  const wide = Math.max(...rows.map(([left]) => left.length))
  return ['', title(name), ...rows.map(([left, right]) => `  ${left.padEnd(wide)}  ${right}`.trimEnd())]
}

function overview(commands: readonly Command[]): string[] {
  const wide = Math.max(...commands.map(({ name }) => name.length))
  const groups = [...new Set(commands.map(({ group }) => group))]
  const lists = groups.flatMap((group) => {
    const rows = commands
      .filter((one) => one.group === group)
      .map(({ name, summary }): [string, string] => [name.padEnd(wide), summary])
    return section(group, rows)
  })
  return [intro, ...lists, '', title('Examples'), ...examples.map((line) => `  ${line}`), '', ...outro]
}

function flagRow({ name, value, doc, among }: Flag): [string, string] {
  const list = Array.isArray(among) && !among.some((word) => doc.includes(word)) ? ` (${among.join(', ')})` : ''
  return [`--${name}${value === undefined ? '' : ` ${value}`}`, doc + list]
}

function ofCommand(command: Command, actions: Readonly<Record<string, Action>>): string[] {
  const { name, summary, usage, about = [], flags } = command
  const lines = usage.map((rest, i) => `${i === 0 ? 'usage: ' : '       '}nitka ${`${name} ${rest}`.trimEnd()}`)
  const rows = Object.entries(actions).map(([action, one]): [string, string] => [
    `nitka ${`${name} ${action} ${one.usage}`.trimEnd()}`,
    one.doc,
  ])
  return [
    ...lines,
    '',
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    ...about,
    ...(rows.length === 0
      ? []
      : ['', title('Commands'), ...rows.flatMap(([left, doc]) => [`  ${left}`, `      ${doc}`])]),
    ...section(rows.length === 0 ? 'Flags' : 'Flags of all of them', flags.map(flagRow)),
    ...optionSection(command),
    ...ending(command),
  ]
}

function ofAction(command: Command, action: string, { usage, doc, flags }: Action): string[] {
  return [
    `usage: nitka ${`${command.name} ${action} ${usage}`.trimEnd()}`,
    '',
    `${doc.charAt(0).toUpperCase()}${doc.slice(1)}.`,
    ...section('Flags', [...flags, ...command.flags].map(flagRow)),
    ...optionSection(command),
    ...ending({ examples: command.examples.filter((line) => line.startsWith(`${command.name} ${action}`)) }),
  ]
}

function optionSection({ options: names }: Command): string[] {
  if (names !== 'all' && names.length <= optionsShown) return section('Options', optionFlags(names).map(flagRow))
  return ['', 'It takes all options of the server: `nitka help options`.']
}

function ending({ examples: lines }: Pick<Command, 'examples'>): string[] {
  const shown = lines.length === 0 ? [] : ['', title('Examples'), ...lines.map((line) => `  nitka ${line}`)]
  return [...shown, ...section('Exit codes', exitCodes)]
}

function optionList(): string[] {
  const rows = (Object.keys(options) as OptionName[]).map((name) => {
    const { kind, default: value, doc } = options[name]
    const flag = `--${flagName(name)}${kind === 'flag' ? '' : ` ${kind.toUpperCase()}`}`
    return `  ${flag.padEnd(34)} ${doc} [${environmentName(name)}, ${JSON.stringify(value)}]`
  })
  const sources = 'Flags win over the environment, that over .env, that over the JSON file of --config or NITKA_CONFIG.'
  return [title('Options of the server, with their names in the environment and their defaults'), sources, '', ...rows]
}

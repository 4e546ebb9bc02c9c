// nitka completion SHELL: a script made of the table of commands, so that nothing has to run while somebody types.

import { NitkaError } from '@nitka/protocol'
import { type Command, type Flag, optionFlags, readArguments } from './command.ts'
import { bashScript, fishScript, type Place, type Word, zshScript } from './completion-scripts.ts'
import { usage } from './usage.ts'

const scripts: Readonly<Record<string, (places: readonly Place[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

export async function completion(
  args: readonly string[],
  { flags, words }: Command,
  commands: readonly Command[],
): Promise<number> {
  const script = usage(() => {
    const [shell = '', ...rest] = readArguments(args, flags, 1).rest
    const found = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined
    if (found === undefined || rest.length > 0) {
      throw new NitkaError('invalid', `usage: nitka completion ${[words ?? []].flat().join('|')}`)
    }
    return found
  })
  if (script === undefined) return 2
  process.stdout.write(script(await placesOf(commands)))
  return 0
}

const helpFlag: Flag = { name: 'help', doc: 'what it takes, with examples' }

async function placesOf(commands: readonly Command[]): Promise<Place[]> {
  const names = commands.map(({ name, summary }): Word => [name, summary])
  const places: Place[] = [{ path: [], words: names, files: false, flags: [] }]
  for (const { name, words = [], actions, flags, options } of commands) {
    const known = (await actions?.()) ?? {}
    const common = [...flags, ...optionFlags(options), helpFlag]
    const listed = Array.isArray(words) ? words.map((word: string): Word => [word, '']) : []
    const first = words === 'commands' ? [...names, ['options', 'the options of the server'] as Word] : listed
    const inside = Object.entries(known).map(([action, { doc }]): Word => [action, doc])
    places.push({ path: [name], words: [...first, ...inside], files: words === 'files', flags: common })
    for (const [action, one] of Object.entries(known)) {
      places.push({ path: [name, action], words: [], files: false, flags: [...one.flags, ...common] })
    }
  }
  return places
}

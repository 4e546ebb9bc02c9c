// The command line: which command, its flags, and how a process of ours ends. A file a command in cli/.

import { NitkaError } from '@nitka/protocol'
import { commands } from './cli/commands.ts'
import { holdProcess } from './cli/hold.ts'
import { suggestion } from './suggestion.ts'

/** What people type for a command out of habit. */
const habits: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-v': 'version',
}

async function main([first = 'help', ...rest]: readonly string[]): Promise<number> {
  const asked = Object.hasOwn(habits, first) ? habits[first] : first
  const helped = rest.some((arg) => arg === '--help' || arg === '-h')
  // `nitka serve --help` is `nitka help serve`.
  const [name, args] = helped && asked !== 'help' ? ['help', [asked ?? first, ...rest]] : [asked, rest]
  const command = commands.find((one) => one.name === name)
  if (command === undefined) {
    const near = suggestion(
      first,
      commands.map((one) => one.name),
    )
    console.error(`nitka: there is no command ${first}; \`nitka help\` lists them${near}`)
    return 2
  }
  const run = await command.load()
  return run(args, command, commands)
}

// A command that waits has not ended, whatever it waits for: the clock's timers alone would let the process end, with 0.
holdProcess()
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
main(process.argv.slice(2)).then((code) => process.exit(code), fail)

/** One clear line for what a person can mend, everything for what is our fault. */
function fail(error: unknown): void {
  console.error(error instanceof NitkaError ? `nitka: ${error.message}` : error)
  process.exit(1)
}

// The command line: which command, its flags, and how a process of ours ends. A file a command in cli/.

import { NitkaError } from '@nitka/protocol'
import { check } from './cli/check.ts'
import { config } from './cli/config.ts'
import { demo } from './cli/demo.ts'
import { help } from './cli/help.ts'
import { serve } from './cli/serve.ts'
import { trace } from './cli/trace.ts'

/** Resolves to the exit code. */
type Command = (args: readonly string[]) => Promise<number>

const commands: Readonly<Record<string, Command>> = {
  serve,
  demo,
  check,
  config,
  trace,
  help,
  '--help': help,
  '-h': help,
}

async function main([name = 'help', ...args]: readonly string[]): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    console.error(`nitka: there is no command ${name}; \`nitka help\` lists them`)
    return 2
  }
  return command(args)
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
main(process.argv.slice(2)).then((code) => process.exit(code), fail)

/** One clear line for what a person can mend, everything for what is our fault. */
function fail(error: unknown): void {
  console.error(error instanceof NitkaError ? `nitka: ${error.message}` : error)
  process.exit(1)
}

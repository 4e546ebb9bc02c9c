// The command line: which command, its flags, and how a process of ours ends. A file a command in cli/.

import { NitkaError } from '@nitka/protocol'

/** Resolves to the exit code. */
type Command = (args: readonly string[]) => Promise<number>

/** Loaded when asked for: a worker or a question to a running server does without the server's code. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./cli/serve.ts')).serve,
  demo: async () => (await import('./cli/demo.ts')).demo,
  tasks: async () => (await import('./cli/tasks.ts')).tasks,
  call: async () => (await import('./cli/call.ts')).call,
  pools: async () => (await import('./cli/pools.ts')).pools,
  work: async () => (await import('./cli/work.ts')).work,
  check: async () => (await import('./cli/check.ts')).check,
  config: async () => (await import('./cli/config.ts')).config,
  trace: async () => (await import('./cli/trace.ts')).trace,
  help: async () => (await import('./cli/help.ts')).help,
}

async function main([name = 'help', ...args]: readonly string[]): Promise<number> {
  const asked = name === '--help' || name === '-h' ? 'help' : name
  const load = Object.hasOwn(commands, asked) ? commands[asked] : undefined
  if (load === undefined) {
    console.error(`nitka: there is no command ${name}; \`nitka help\` lists them`)
    return 2
  }
  const command = await load()
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

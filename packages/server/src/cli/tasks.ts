// nitka tasks: what an operator does with tasks, queues and dead letters, asked of a running server.

import { NitkaError } from '@nitka/protocol'
import { readFlags } from './flags.ts'
import { printable, serverUrl } from './server-call.ts'
import { actions, type TaskAction } from './task-actions.ts'
import { usage } from './usage.ts'

const shared = ['url']
const sharedSwitches = ['json']

/** Exit codes: 0 done, 1 refused or failed, 2 wrong usage. */
export async function tasks(args: readonly string[]): Promise<number> {
  // `| head` has read enough.
  process.stdout.on('error', () => process.exit(0))
  const [name, ...rest] = args
  const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
  if (name === undefined || action === undefined) return explain(name)
  const asked = usage(() => read(name, action, rest))
  if (asked === undefined) return 2
  const run = usage(() => action.prepare(asked))
  if (run === undefined) return 2
  try {
    return await run()
  } finally {
    await flushed()
  }
}

function flushed(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => resolve()))
}

function read(name: string, action: TaskAction, args: readonly string[]): Parameters<TaskAction['prepare']>[0] {
  const { own = [], switches = [], idsMin, idsMax } = action
  const flags = readFlags(args, [...shared, ...own], idsMax, [...sharedSwitches, ...switches])
  if (flags.rest.length < idsMin) throw new NitkaError('invalid', `usage: nitka tasks ${name} ${action.usage}`)
  return {
    server: serverUrl(flags.own.url, flags.config),
    rest: flags.rest,
    own: flags.own,
    on: flags.on,
    columns: process.stdout.isTTY ? (process.stdout.columns ?? 80) : Number.POSITIVE_INFINITY,
    print: (line) => console.log(line),
    flushed,
  }
}

function explain(name: string | undefined): number {
  if (name !== undefined && !['help', '--help', '-h'].includes(name)) {
    console.error(`nitka: there is no command tasks ${printable(name)}; \`nitka tasks\` lists them`)
    return 2
  }
  for (const [one, { usage, doc }] of Object.entries(actions)) {
    console.log(`  nitka tasks ${`${one} ${usage}`.trimEnd()}\n      ${doc}`)
  }
  console.log('\nAll take --url http://host:port (default: --host and --port) and --json.')
  return name === undefined ? 2 : 0
}

// nitka tasks: what an operator does with tasks, queues and dead letters, asked of a running server.

import { NitkaError } from '@nitka/protocol'
import { type Command, readArguments } from './command.ts'
import { explain } from './help.ts'
import { targetOf } from './server-call.ts'
import { actions, type TaskAction } from './task-actions.ts'
import { usage } from './usage.ts'

export async function tasks(args: readonly string[], own: Command): Promise<number> {
  // `| head` has read enough.
  process.stdout.on('error', () => process.exit(0))
  const [name, ...rest] = args
  const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
  if (name === undefined || action === undefined) return explain(name, own, Object.keys(actions))
  const asked = usage(() => read(name, action, rest, own.flags))
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

function read(
  name: string,
  action: TaskAction,
  args: readonly string[],
  shared: Command['flags'],
): Parameters<TaskAction['prepare']>[0] {
  const { idsMin, idsMax } = action
  const flags = readArguments(args, [...shared, ...action.flags], idsMax)
  if (flags.rest.length < idsMin) throw new NitkaError('invalid', `usage: nitka tasks ${name} ${action.usage}`)
  return {
    server: targetOf(flags.own.url, flags.config),
    rest: flags.rest,
    own: flags.own,
    on: flags.on,
    columns: process.stdout.isTTY ? (process.stdout.columns ?? 80) : Number.POSITIVE_INFINITY,
    print: (line) => console.log(line),
    flushed,
  }
}

// nitka work: the demonstration worker as a process.

import { NitkaError } from '@nitka/protocol'
import { realWorld } from '../world.ts'
import { type Command, readArguments } from './command.ts'
import { onOrphaned } from './npm-parent.ts'
import { callServer, printable, type Target, targetOf } from './server-call.ts'
import { endWithParent } from './supervisor.ts'
import { TaskStream } from './task-stream.ts'
import { usage } from './usage.ts'
import { drawBatch, Worker } from './worker.ts'

const batchMax = 1_000
/** Refusals of a report that pass, so that it is worth repeating. */
const passing: ReadonlySet<string> = new Set(['unavailable', 'draining', 'overloaded', 'internal'])

interface Wishes {
  readonly server: Target
  readonly queue: string
  readonly batch: number | undefined
  /** Ends when standard input does: whoever started this process holds the other end of that pipe. */
  readonly supervised: boolean
}

export async function work(args: readonly string[], { flags }: Command): Promise<number> {
  const wishes = usage(() => readWishes(args, flags))
  if (wishes === undefined) return 2
  const world = realWorld()
  const batch = wishes.batch ?? drawBatch(world.random.fraction())
  const log = (line: string): void => console.log(`${new Date(world.clock.now()).toISOString()} ${line}`)
  const worker = new Worker(batch, world, {
    log,
    crash: () => process.exit(1),
    report: async (ids) => void (await callServer(wishes.server, 'POST', '/report', ids)),
    passing: (error) => error instanceof NitkaError && passing.has(error.code),
  })
  const url = new URL('/task', wishes.server.url)
  url.searchParams.set('batchsize', `${batch}`)
  url.searchParams.set('queue', wishes.queue)
  const stream = new TaskStream({ ...wishes.server, url }, world, { event: (event) => worker.receive(event), log })
  log(`worker of queue ${printable(wishes.queue)}, batch size ${batch}`)
  if (wishes.supervised) endWithParent()
  const stopped = stopOnSignal(worker, stream, log)
  // Between two connections there is nothing else.
  await stream.run()
  await stopped
  return 0
}

function readWishes(args: readonly string[], flags: Command['flags']): Wishes {
  const { config, own, on } = readArguments(args, flags)
  const { queue = 'default', batch } = own
  if (batch !== undefined && !(/^[1-9]\d{0,3}$/.test(batch) && Number(batch) <= batchMax)) {
    throw new NitkaError('invalid', `--batch must be a whole number from 1 to ${batchMax}, not ${batch}`)
  }
  return {
    server: targetOf(own.url, config),
    queue,
    batch: batch === undefined ? undefined : Number(batch),
    supervised: on.has('supervised'),
  }
}

/** On the first SIGTERM or SIGINT what runs is finished and reported; on the second the process ends. */
function stopOnSignal(worker: Worker, stream: TaskStream, log: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0
    const signalled = (signal: NodeJS.Signals): void => {
      if (++signals > 1) process.exit(1)
      log(`${signal}: taking nothing more; once more to end now`)
      worker.stop(() => stream.close()).then(resolve)
    }
    process.on('SIGTERM', signalled)
    process.on('SIGINT', signalled)
    onOrphaned(() => signals > 0 || signalled('SIGTERM'))
  })
}

// A server as a process: says where it is, drains on the first signal, ends at once on the second.

import type { Config } from '../config.ts'
import { createServer, type Server, type ServerTools } from '../server.ts'
import { loadExecutors } from './executors.ts'
import { onOrphaned } from './npm-parent.ts'
import { reportQueue } from './queue-report.ts'

const interruptMs = 2_000

/** What runs beside the server, and ends before it does. */
export interface Companion {
  stop(): Promise<void>
}

/**
 * Runs until a signal. Resolves to the exit code.
 * @param started runs once the server takes traffic
 */
export async function run(
  config: Config,
  tools: Omit<ServerTools, 'onFatal'>,
  started: (server: Server) => Promise<Companion | undefined>,
): Promise<number> {
  let companion: Companion | undefined
  let leaving = false
  const ended = Promise.withResolvers<number>()
  const server = await createServer(config, {
    ...tools,
    // The handle of a failed store is never used again: the supervisor starts a process that reopens and verifies it.
    onFatal: () => ended.resolve(1),
  })
  const signalled = (signal: NodeJS.Signals): void => {
    if (leaving) {
      console.error(`nitka: ${signal} again, ending now`)
      ended.resolve(1)
      return
    }
    leaving = true
    // Somebody at a keyboard is not kept waiting.
    const drainMs = signal === 'SIGINT' ? Math.min(config.drainMs, interruptMs) : config.drainMs
    console.error(`nitka: ${signal}, draining for up to ${drainMs / 1000} s; once more to end now`)
    Promise.resolve(companion?.stop())
      .then(() => server.stop(drainMs))
      .then(
        () => ended.resolve(0),
        (error: unknown) => ended.reject(error),
      )
  }
  process.on('SIGTERM', signalled)
  process.on('SIGINT', signalled)
  // After Ctrl-C the shell of npm may go before us, which is no second signal.
  onOrphaned(() => leaving || signalled('SIGTERM'))
  if (config.durability === 'relaxed') {
    console.error('nitka: WARNING durability is relaxed: confirmed messages may be lost with the machine')
  }
  if (config.executors !== '') await loadExecutors(server.requests, config.executors)
  if (config.queueReport !== '') reportQueue(server.requests, config.queueReport)
  const beside = await started(server)
  if (leaving) await beside?.stop()
  else companion = beside
  return ended.promise
}

// nitka serve --nodes N: several nodes on one machine, for all of its cores. They are one cluster, and share the ports.

import { NitkaError } from '@nitka/protocol'
import type { Config } from '../config.ts'
import { realWorld } from '../world.ts'
import { onOrphaned } from './npm-parent.ts'
import { Supervisor } from './supervisor.ts'

const nodesMax = 256
/** What a node needs beside its drain, milliseconds. */
const goodbyeMs = 10_000
/** What a node says once it takes traffic. */
const listens = /^nitka listens at .*\n(nitka takes .*\n)?/m

/** @throws NitkaError `invalid` */
export function readNodes(text: string | undefined, config: Config): number {
  const nodes = text === undefined ? 1 : Number(text)
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > nodesMax) {
    throw new NitkaError('invalid', `--nodes must be an integer from 1 to ${nodesMax}, not ${text}`)
  }
  if (nodes === 1) return nodes
  if (config.postgresUrl === '') {
    throw new NitkaError(
      'invalid',
      'several nodes need the cluster engine: give --postgres-url and --nats-url, since only one process may open an embedded store',
    )
  }
  if (config.socketHost.includes('/')) {
    throw new NitkaError('invalid', 'nodes cannot share a Unix socket; give --socket-host an address, or nothing')
  }
  if (config.port === 0 || (config.socketHost !== '' && config.socketPort === 0)) {
    throw new NitkaError('invalid', 'nodes share their ports, so --port and --socket-port must not be 0')
  }
  return nodes
}

/**
 * Runs until a signal; nodes that end by themselves are started again. Resolves to the exit code.
 * @param args of `nitka serve`, without `--nodes`
 */
export function runNodes(nodes: number, args: readonly string[], config: Config): Promise<number> {
  const { promise: ended, resolve: end } = Promise.withResolvers<number>()
  let listening = 0
  let leaving = false
  const supervisor = new Supervisor(
    {
      count: nodes,
      args: [...process.execArgv, process.argv[1] ?? '', 'serve', '--share-port', '--supervised', ...args],
      graceMs: config.preStopMs + config.drainMs + goodbyeMs,
      said: (text, stream) => {
        const found = listens.exec(text)
        if (found === null) process[stream].write(text)
        else {
          listening += 1
          if (listening === nodes) process.stdout.write(`${found[0]}nitka runs ${nodes} nodes\n`)
          process[stream].write(text.replace(found[0], ''))
        }
      },
      died: ({ number, code, signal, lastWords }) => {
        // What hinders the first start hinders the next one.
        if (listening === 0) {
          if (lastWords === '') console.error(`nitka: node ${number} ended (${signal ?? code})`)
          void supervisor.stop().then(() => end(code ?? 1))
          return
        }
        console.error(`nitka: node ${number} ended (${signal ?? code}) and is started again`)
      },
    },
    realWorld(),
  )
  const signalled = (signal: NodeJS.Signals): void => {
    if (leaving) {
      for (const pid of supervisor.pids) process.kill(pid, 'SIGKILL')
      end(1)
      return
    }
    leaving = true
    console.error(`nitka: ${signal}, ${nodes} nodes are draining; once more to end now`)
    // As they would by themselves: somebody at a keyboard is not kept waiting.
    void supervisor.stop(signal).then(() => end(0))
  }
  process.on('SIGTERM', signalled)
  process.on('SIGINT', signalled)
  onOrphaned(() => leaving || signalled('SIGTERM'))
  process.on('SIGHUP', () => {
    for (const pid of supervisor.pids) process.kill(pid, 'SIGHUP')
  })
  return ended
}

// A server of the bench's own: a process beside this one, on a folder that is gone afterwards.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { NitkaError } from '@nitka/protocol'
import type { Wishes } from '../../config.ts'

export interface OwnServer {
  readonly url: URL
  /** Ends it. Resolves when the process and its folder are gone. */
  stop(): Promise<void>
}

/** What the process is told, and what it tells. */
export interface ServerOrder {
  /** Where its folder is made. */
  readonly parent: string
  readonly wishes: Wishes
}
export interface ServerAnswer {
  readonly url?: string
  readonly error?: string
}

/** @throws NitkaError `unavailable` it did not start, with its own words */
export async function startOwnServer(order: ServerOrder): Promise<OwnServer> {
  // The channel is what the child lives by: it ends with this process, however that ends.
  const child = fork(new URL('./server-process.ts', import.meta.url), [JSON.stringify(order)], {
    // Ctrl-C at a terminal is for this process alone.
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const { url, error = 'it ended before it listened' } = await firstAnswer(child, exited)
  if (url === undefined) {
    await exited
    throw new NitkaError('unavailable', `the bench's own server did not start: ${error}`)
  }
  return {
    url: new URL(url),
    stop: async () => {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}

async function firstAnswer(child: ChildProcess, exited: Promise<unknown>): Promise<ServerAnswer> {
  const answered = once(child, 'message').then(([answer]) => answer as ServerAnswer)
  return Promise.race([answered, exited.then((): ServerAnswer => ({}))])
}

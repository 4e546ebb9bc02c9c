// `nitka/testing`: for the tests of programs that Nitka is part of. A clock that the test moves, and a server that is
// gone with the test.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server, type ServerTools, type Wishes } from '../src/index.ts'

export { SimulatedClock } from './clock.ts'

/** A server with a store of its own, for one test. */
export interface TemporaryServer extends AsyncDisposable {
  readonly server: Server
  /** The folder of its store. */
  readonly data: string
  /** Ends all connections at once, closes the server and removes its store. May be called twice. */
  close(): Promise<void>
}

/**
 * A server for one test: on a free port of loopback or attached, without a TCP port, silent, with a store in a temporary
 * folder. `await using` closes it at the end of the block.
 * @param wishes options over these; with `data` the store stays where it is
 * @throws NitkaError as `createServer`
 */
export async function temporaryServer(wishes: Wishes = {}, tools: ServerTools = {}): Promise<TemporaryServer> {
  const data = wishes.data ?? (await mkdtemp(join(tmpdir(), 'nitka-')))
  const remove = async (): Promise<void> => {
    if (wishes.data === undefined) await rm(data, { recursive: true, force: true, maxRetries: 3 })
  }
  const port = tools.attach === undefined ? { port: 0 } : {}
  const defaults = { ...port, socketHost: '', logLevel: 'silent', reserveBytes: 0 }
  try {
    const server = await createServer({ ...defaults, ...wishes, data }, tools)
    const close = (): Promise<void> => server.stop(0).finally(remove)
    return { server, data, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await remove()
    throw error
  }
}

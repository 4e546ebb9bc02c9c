// Servers of other programs, and Nitkas attached to them, for a test.

import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Wishes } from '../src/config.ts'
import { createServer, type Server, type ServerTools } from '../src/server.ts'
import { temporaryFolder } from './server.ts'

/** A host that answers every request with `host <method> <url>`, closed with the test. */
export function hostServer(t: TestContext, listener: RequestListener = echo): HttpServer {
  const host = createHttpServer(listener)
  t.after(() => {
    host.closeAllConnections()
    host.close()
  })
  return host
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  response.end(`host ${request.method} ${request.url}`)
}

/** Lets it listen on loopback, and gives its origin. */
export async function listening(host: HttpServer, address = '127.0.0.1'): Promise<string> {
  host.listen(0, address)
  await once(host, 'listening')
  return `http://127.0.0.1:${(host.address() as AddressInfo).port}`
}

/** A Nitka with a store of its own and without a TCP port, stopped with the test. */
export async function embed(t: TestContext, tools: ServerTools, wishes: Wishes = {}): Promise<Server> {
  const data = wishes.data ?? (await temporaryFolder(t))
  const server = await createServer({ data, socketHost: '', logLevel: 'fatal', reserveBytes: 0, ...wishes }, tools)
  t.after(() => server.stop(0))
  return server
}

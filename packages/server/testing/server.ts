// A server for a test: on a free port, on a store of its own, gone with the test.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Config } from '../src/config.ts'
import { createServer, type Server, type ServerTools } from '../src/server.ts'
import { Client, type ClientOptions } from './client.ts'

export interface Started {
  readonly server: Server
  readonly dataDir: string
  /** Opens a WebSocket; closed with the test. `path` begins with a slash: `/ws?user=anna`. */
  connect(path: string, options?: ClientOptions): Promise<Client>
  /** Asks over HTTP and parses the answer. */
  ask(method: string, path: string, body?: unknown): Promise<{ status: number; type: string; body: any }>
}

/** Starts a server with short drains and no rate limit, unless the test says otherwise. */
export async function start(t: TestContext, wishes: Partial<Config> = {}, tools: ServerTools = {}): Promise<Started> {
  const dataDir = wishes.data ?? (await temporaryFolder(t))
  const defaults = { port: 0, socketPort: 0, data: dataDir, logLevel: 'fatal', rate: 0, reserveBytes: 0 }
  const server = await createServer({ ...defaults, ...wishes }, tools)
  t.after(() => server.stop(0))
  return {
    server,
    dataDir,
    connect: (path, options) => connect(t, server.url, path, options),
    ask: (method, path, body) => ask(server.url, method, path, body),
  }
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nitka-'))
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

export async function connect(t: TestContext, url: string, path: string, options?: ClientOptions): Promise<Client> {
  const client = await Client.open(url.replace('http', 'ws') + path, options)
  t.after(() => client.terminate())
  return client
}

export async function ask(
  url: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; type: string; body: any }> {
  const response = await fetch(url + path, {
    method,
    ...(body === undefined
      ? {}
      : {
          body: typeof body === 'string' ? body : JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        }),
  })
  const text = await response.text()
  const type = response.headers.get('content-type') ?? ''
  return { status: response.status, type, body: type.includes('json') ? JSON.parse(text) : text }
}

// The ports: free, or taken by a nitka that runs, or by somebody else.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { isObject } from '@nitka/protocol'
import type { Config } from '../../config.ts'
import { options } from '../../options.ts'
import { serverUrl } from '../server-call.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const patienceMs = 2_000

/** What runs at the address of the options. */
interface Running {
  readonly version: string
  /** Why it takes no traffic. */
  readonly unready: string | undefined
}

export async function portFindings(config: Config): Promise<{ findings: Finding[]; served: boolean }> {
  const { host, port, socketHost, socketPort } = config
  const http = await whyTaken(host, port)
  const running = http === 'EADDRINUSE' ? await runningAt(config) : undefined
  const tcp = await whyTaken(socketHost, socketPort)
  return {
    findings: [httpFinding(`${host}:${port}`, http, running), tcpFinding(config, tcp, running)],
    served: running !== undefined,
  }
}

/** The code of the error with which listening fails; undefined when it does not. */
async function whyTaken(host: string, port: number): Promise<string | undefined> {
  if (host.includes('/')) return undefined
  const server = createServer()
  try {
    server.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port, exclusive: true })
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  } finally {
    server.close()
  }
}

async function runningAt(config: Config): Promise<Running | undefined> {
  const bare = config.host === '0.0.0.0' ? '127.0.0.1' : config.host === '::' ? '::1' : config.host
  const url = serverUrl(undefined, { ...config, host: bare })
  const [health, ready, document] = await Promise.all(
    ['/healthz', '/readyz', '/openapi.json'].map((path) => answer(new URL(path, url))),
  )
  // Other servers say `ok` at /healthz, too; what durability they have only ours say.
  if (health?.status !== 'ok' || typeof ready?.durability !== 'string') return undefined
  const info = document?.info
  const version = isObject(info) && typeof info.version === 'string' ? info.version : 'of unknown version'
  return { version, unready: ready.status === 'ready' ? undefined : String(ready.reason) }
}

async function answer(url: URL): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const value: unknown = await (await fetch(url, { signal: AbortSignal.timeout(patienceMs) })).json()
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function refused(check: string, at: string, code: string): Finding {
  if (code === 'EACCES') return fail(check, `${at} may not be used by this user`, 'choose a port from 1024')
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fail(check, `${at}: this machine has no such address`, 'correct the host')
  }
  return fail(check, `${at} cannot be listened on (${code})`, 'choose another address')
}

function httpFinding(at: string, code: string | undefined, running: Running | undefined): Finding {
  if (code === undefined) return ok('HTTP port', `${at} is free`)
  if (code !== 'EADDRINUSE') return refused('HTTP port', at, code)
  if (running === undefined) {
    return fail('HTTP port', `${at} is taken by another program`, 'stop it, or choose another port with --port')
  }
  if (running.unready === undefined) return ok('HTTP port', `${at}: nitka ${running.version} runs there, and is ready`)
  const says = `${at}: nitka ${running.version} runs there, and takes no traffic: ${running.unready}`
  return warn('HTTP port', says, 'see its log')
}

function tcpFinding(
  { socketHost, socketPort }: Config,
  code: string | undefined,
  running: Running | undefined,
): Finding {
  const at = socketHost.includes('/') ? socketHost : `${socketHost}:${socketPort}`
  if (code === undefined) return ok('TCP port', `${at} is free${running === undefined ? '' : ', though a server runs'}`)
  if (code !== 'EADDRINUSE') return refused('TCP port', at, code)
  if (running !== undefined) return ok('TCP port', `${at} is taken, as it is when a server runs`)
  const chosen = socketPort !== options.socketPort.default || socketHost !== options.socketHost.default
  const todo = 'stop who has it, or choose another with --socket-port'
  if (chosen) return fail('TCP port', `${at} is taken by another program`, todo)
  return warn('TCP port', `${at} is taken: the server would start without requests over TCP`, todo)
}

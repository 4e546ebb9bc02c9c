// What the server of another program tells, looked at before its listeners hear of it: what is below a path that somebody
// here has taken goes there, everything else to the listeners, as if nobody were there. Node tells listeners in turn and
// none of them can stop it, so a listener more would have the program's own ones answer, too, whichever came first.
// One hook a server, however many paths: docs/decisions/0011-attach.md.

import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { NitkaError } from '@nitka/protocol'

/** A server of `node:http` or `node:https` that belongs to another program. */
export type HostServer = HttpServer | HttpsServer

/** What comes below a path. `url` of the request begins behind it. */
export interface Takes {
  readonly request: (request: IncomingMessage, response: ServerResponse) => void
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** What of a server is replaced while it is hooked. */
interface Told {
  emit: (event: string, ...args: unknown[]) => boolean
  /** Whether an upgrade is told, or answered as an ordinary request. */
  shouldUpgradeCallback: (request: IncomingMessage) => boolean
}

const hooks = new WeakMap<HostServer, HostHook>()

/**
 * Takes what comes below a path, from now until the returned function is called.
 * @throws NitkaError `conflict` the path is taken, within one that is, or around one
 */
export function takePath(server: HostServer, path: string, takes: Takes): () => void {
  let hook = hooks.get(server)
  if (hook === undefined) hook = new HostHook(server)
  return hook.take(path, takes)
}

class HostHook {
  readonly #server: HostServer
  readonly #takes = new Map<string, Takes>()
  #unhook: (() => void) | undefined

  constructor(server: HostServer) {
    this.#server = server
  }

  take(path: string, takes: Takes): () => void {
    const other = [...this.#takes.keys()].find((one) => covers(one, path) || covers(path, one))
    if (other !== undefined) {
      throw new NitkaError('conflict', `another server is attached at ${other} already; choose a path beside it`)
    }
    if (path === '/' && this.#server.listenerCount('request') + this.#server.listenerCount('upgrade') > 0) {
      throw new NitkaError('conflict', 'at / the listeners of the server would hear nothing more; attach at a path')
    }
    this.#takes.set(path, takes)
    hooks.set(this.#server, this)
    this.#unhook ??= this.#hook()
    return () => {
      if (this.#takes.get(path) !== takes) return
      this.#takes.delete(path)
      if (this.#takes.size > 0) return
      hooks.delete(this.#server)
      this.#unhook?.()
    }
  }

  #hook(): () => void {
    const server = this.#server as unknown as Told
    const inherited = !Object.hasOwn(server, 'emit')
    const before = { emit: server.emit, upgrades: server.shouldUpgradeCallback }
    const emit: Told['emit'] = (event, ...args) => {
      const hand = handlers[event]
      const found = hand && this.#find((args[0] as IncomingMessage).url)
      if (hand === undefined || found === undefined) return before.emit.call(server, event, ...args)
      const [request, ...rest] = args as [IncomingMessage, never, never]
      request.url = inside(request.url, found.path)
      hand(found.takes, request, ...rest)
      return true
    }
    const upgrades: Told['shouldUpgradeCallback'] = (request) => {
      // Some clients offer to change to HTTP/2 with every request: that is declined by answering as HTTP/1.1.
      if (this.#find(request.url) !== undefined) return request.headers.upgrade?.toLowerCase() === 'websocket'
      // While nobody listens for upgrades, one is an ordinary request.
      const listeners = this.#server.listeners('upgrade').some((one) => one !== present)
      return listeners && before.upgrades.call(server, request)
    }
    this.#server.on('upgrade', present)
    server.emit = emit
    server.shouldUpgradeCallback = upgrades
    return () => {
      this.#server.off('upgrade', present)
      // Who replaced ours meanwhile goes on calling it: with no path taken it lets everything pass.
      if (server.shouldUpgradeCallback === upgrades) server.shouldUpgradeCallback = before.upgrades
      if (server.emit !== emit) return
      if (inherited) delete (server as Partial<Told>).emit
      else server.emit = before.emit
    }
  }

  #find(url = ''): { readonly path: string; readonly takes: Takes } | undefined {
    for (const [path, takes] of this.#takes) if (holds(path, url)) return { path, takes }
    return undefined
  }
}

type Handler = (takes: Takes, request: IncomingMessage, answer: never, head: never) => void

/** What a server tells of a request, by event; of some only when a listener is there. */
const handlers: Readonly<Record<string, Handler | undefined>> = {
  request: (takes, request, response) => takes.request(request, response),
  upgrade: (takes, request, socket, head) => takes.upgrade(request, socket, head),
  checkContinue: (takes, request, response: ServerResponse) => {
    response.writeContinue()
    takes.request(request, response as never)
  },
  checkExpectation: (_takes, _request, response: ServerResponse) => {
    response.writeHead(417).end()
  },
}

/** Does nothing. Node cuts an upgrade off that no listener is there for. */
function present(): void {}

function holds(path: string, url: string): boolean {
  if (path === '/') return true
  if (!url.startsWith(path)) return false
  const next = url[path.length]
  return next === undefined || next === '/' || next === '?'
}

/** The url behind the path. */
function inside(url = '/', path: string): string {
  if (path === '/') return url
  const rest = url.slice(path.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

function covers(path: string, other: string): boolean {
  return path === '/' || path === other || other.startsWith(`${path}/`)
}

// @nitka/client/tcp: the same client over TCP, for services in Node. One connection carries everything.

import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { Contract } from './contract.ts'
import { NitkaError } from './errors.ts'
import { Nitka, type NitkaOptions } from './nitka.ts'
import type { Dial } from './wire.ts'
import { realWorld } from './world.ts'

export { type ErrorCode, NitkaError } from './errors.ts'
export type { Nitka, NitkaOptions } from './nitka.ts'

/** As for `connect` over WebSocket, and what TLS needs. */
export interface TcpOptions extends NitkaOptions {
  /** For `tls://`: certificates, and what else `node:tls` takes. */
  readonly tls?: ConnectionOptions
}

const defaultPort = 41_969
/** Characters of a value that has not ended; the server sends no larger ones. */
const valueMax = 64 * 1_048_576
/** Begins what the server says to whom it lets not in: they have not said yet what they speak. */
const refusal = '{"type":"errMsgFromClient"'
/** How long a peer has to take the goodbye. */
const goodbyeMs = 1_000

/**
 * Connects to a server's TCP port, and stays connected until `close`.
 * @param url `tcp://127.0.0.1:41969`, `tls://example.org`, `unix:///run/nitka.sock`
 * @throws NitkaError `invalid` when the address is none
 */
export function connect<App extends Contract = Contract>(url: string | URL, options: TcpOptions = {}): Nitka<App> {
  const { tls, ...rest } = options
  return new Nitka<App>(dialTcp(opener(url, tls)), rest)
}

function opener(url: string | URL, tls: ConnectionOptions | undefined): (opened: () => void) => Socket {
  const address = URL.parse(String(url))
  const { protocol = '', hostname = '', port, pathname = '' } = address ?? {}
  if (protocol === 'unix:' && pathname !== '') {
    return (opened) => connectTcp({ path: decodeURIComponent(pathname) }, opened)
  }
  if ((protocol !== 'tcp:' && protocol !== 'tls:') || hostname === '') {
    throw new NitkaError('invalid', `${url} is no address; it looks like tcp://127.0.0.1:41969`)
  }
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const place = { host, port: port === undefined || port === '' ? defaultPort : Number(port) }
  if (protocol === 'tcp:') return (opened) => connectTcp(place, opened)
  return (opened) => connectTls({ servername: host, ...tls, ...place }, opened)
}

function dialTcp(open: (opened: () => void) => Socket): Dial {
  return (events) => {
    let over = false
    let rest = ''
    let reason = ''
    const end = (): void => {
      if (over) return
      over = true
      events.ended(undefined, reason)
    }
    const socket = open(() => {
      socket.setNoDelay(true)
      if (!over) events.opened()
    })
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      // One join per chunk; a value that spans many chunks waits in `rest`.
      const values = (rest + chunk).split('\n')
      rest = values.pop() ?? ''
      for (const value of values) {
        if (value.startsWith(refusal)) reason = reasonIn(value)
        else if (!over && value !== '') events.text(value)
      }
      if (rest.length > valueMax) socket.destroy(new Error('the server sent too large a value'))
    })
    socket.on('error', (error) => {
      reason = error.message
    })
    socket.on('close', end)
    return {
      send: (text) => void socket.write(`${text}\n`),
      close() {
        over = true
        if (socket.connecting) return void socket.destroy()
        // An orderly end releases holds at once; a peer that is gone, or reads nothing, does not hold up the socket.
        const stop = realWorld.after(goodbyeMs, () => socket.destroy())
        socket.on('close', stop)
        socket.end(() => socket.destroy())
      },
      get waiting() {
        return socket.writableLength
      },
    }
  }
}

function reasonIn(value: string): string {
  try {
    return String(JSON.parse(value).resultJob.err)
  } catch {
    return value
  }
}

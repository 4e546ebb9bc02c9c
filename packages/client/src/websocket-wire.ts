// A wire over the platform's own WebSocket: browsers, Node 22, Bun and Deno have the same.

import { rpcSubprotocol } from '@nitka/protocol'
import { NitkaError } from './errors.ts'
import type { Dial } from './wire.ts'

/** @throws NitkaError `invalid` */
export function webSocketAddress(url: string | URL): URL {
  const base = (globalThis as { location?: { href?: string } }).location?.href
  let address: URL
  try {
    address = new URL(url, base)
  } catch (cause) {
    throw new NitkaError('invalid', `${url} is no address; it looks like https://example.org or ws://127.0.0.1:8080`, {
      cause,
    })
  }
  if (!/^(https?|wss?):$/.test(address.protocol)) {
    throw new NitkaError('invalid', `${address.protocol} is not understood; use http, https, ws or wss`)
  }
  address.protocol = address.protocol.replace('http', 'ws')
  address.hash = ''
  if (!address.pathname.endsWith('/ws')) address.pathname = `${address.pathname.replace(/\/$/, '')}/ws`
  return address
}

export function dialWebSocket(address: URL): Dial {
  // Without the query: it may say who one is, and what is told ends up in logs.
  const place = address.origin + address.pathname
  return (events) => {
    let over = false
    let failure = `${place} cannot be reached`
    const socket = new WebSocket(address, rpcSubprotocol)
    const end = (code: number | undefined, reason: string): void => {
      if (over) return
      over = true
      events.ended(code, reason)
    }
    socket.onopen = () => {
      failure = ''
      if (!over) events.opened()
    }
    socket.onmessage = ({ data }) => {
      if (!over && typeof data === 'string') events.text(data)
    }
    socket.onclose = ({ code, reason }) => end(code, reason)
    // What follows is a close event; some runtimes leave it out when the socket never opened.
    socket.onerror = () => {
      if (socket.readyState === WebSocket.CLOSED) end(undefined, failure)
    }
    return {
      send: (text) => socket.send(text),
      // The closing handshake of a dead connection takes its time: nobody waits for it.
      close() {
        over = true
        socket.close(1000)
      },
      get waiting() {
        return socket.bufferedAmount
      },
    }
  }
}

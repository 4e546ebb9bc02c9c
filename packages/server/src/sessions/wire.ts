// What a session needs of whatever carries its bytes. Implemented by each file of `transports/`.

import type { CloseReason } from '@nitka/protocol'

/** How text and bytes become what travels. One object a transport. */
export interface Framing {
  text(text: string): Uint8Array
  /** Many texts joined, for many receivers. */
  texts(texts: readonly string[]): { readonly bytes: Uint8Array; readonly ends: readonly number[] }
  /** Many payloads joined, each text or binary. */
  payloads(payloads: readonly { readonly data: Uint8Array; readonly binary: boolean }[]): {
    readonly bytes: Uint8Array
    readonly ends: readonly number[]
  }
}

/** A framing of values that are each ended in one way. */
export interface LineFraming extends Framing {
  /** One value with its ending: joined, many are what travels to one receiver. */
  line(text: string): string
}

/** How a connection is kept. */
export type Transport = 'websocket' | 'sse' | 'tcp'

export interface Wire {
  readonly transport: Transport
  readonly framing: Framing
  /** Who is at the other end, for limits and log lines. */
  readonly remoteAddress: string

  /** Hands bytes to the socket in one write, after all earlier ones. Never throws; a closed wire drops. */
  write(parts: readonly Uint8Array[], onTaken: (() => void) | undefined): void

  /** Bytes handed over that the socket has not taken. */
  readonly pendingBytes: number

  /** True: the socket is behind; `onDrain` follows. */
  readonly blocked: boolean

  /** Grows whenever the peer's side takes something, also a part of a write. */
  readonly taken: number

  /** Bytes received, for the heartbeat. */
  readonly received: number

  onDrain: (() => void) | undefined

  /** Stops and resumes reading. What was read already still arrives. */
  pause(): void
  resume(): void

  ping(): void

  /** Ends the connection after what was written. May be called twice. `text`: at most 120 bytes of UTF-8. */
  close(reason: CloseReason, text: string): void

  /** Ends it at once. */
  terminate(): void
}

// How text travels: a WebSocket, or TCP. A wire is one attempt: it opens, carries, and ends once.

export interface WireEvents {
  opened(): void
  /** One whole message. */
  text(text: string): void
  /** It is over, or never opened. Called once, and nothing after it. `code` as of RFC 6455 where there is one. */
  ended(code: number | undefined, reason: string): void
}

export interface Wire {
  send(text: string): void
  /** Says goodbye; `ended` is not called any more. */
  close(): void
  /** Bytes that the system has not taken yet. */
  readonly waiting: number
}

/** Opens a wire to where the client was told to go. */
export type Dial = (events: WireEvents) => Wire

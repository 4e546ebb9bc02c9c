// Why a connection ends. `retry` is what matters to a client: come back at once, after a wait, or not at all.

export const closeCodes = {
  goingAway: { code: 1001, retry: 'now' },
  protocolError: { code: 1002, retry: 'never' },
  invalidText: { code: 1007, retry: 'never' },
  policy: { code: 1008, retry: 'never' },
  tooLarge: { code: 1009, retry: 'never' },
  internal: { code: 1011, retry: 'later' },
  restart: { code: 1012, retry: 'now' },
  tryLater: { code: 1013, retry: 'later' },
  expired: { code: 3000, retry: 'now' },
} as const satisfies Record<string, { code: number; retry: 'now' | 'later' | 'never' }>

/** Why a connection was closed: a name from `closeCodes`. */
export type CloseReason = keyof typeof closeCodes

/** What is said to people when nothing more is known. Apart, so that browsers need not load it. */
export const closeTexts: Readonly<Record<CloseReason, string>> = {
  goingAway: 'The server stops; come back, elsewhere if you can.',
  protocolError: 'The frame is not valid WebSocket.',
  invalidText: 'A text frame that is not UTF-8.',
  policy: 'Not authenticated in time, or no longer permitted.',
  tooLarge: 'The frame is larger than the transport takes.',
  internal: 'The server failed; nothing unconfirmed may be taken as done.',
  restart: 'The server restarts; come back.',
  tryLater: 'Too slow or too many: come back after a wait and resume.',
  expired: 'The token is no longer valid: come back with a new one.',
}
